import type { Database } from "../../src/postgres/database.ts";

/** How a plan reads all of a table, however few rows the statement is about. Callers are few, each with one row. */
const wholeTable = /hashed SubPlan|Seq Scan(?! on caller_grants)/;

/**
 * What a database's connections have prepared so far and would read a whole table for. A plan that is made while a
 * table is empty is kept while it grows, so tables with few rows show it best.
 */
export async function plansOfWholeTables(db: Database, connections: number): Promise<string[]> {
  const { sql } = db;
  // As many at the same time as there are connections, each of which knows its own.
  const prepared = await Promise.all(
    Array.from(
      { length: connections },
      () => sql<{ statement: string }[]>`
        select statement from pg_prepared_statements, pg_sleep(0.01)
        where statement ~* '^\\s*(with|select|insert|update|delete)\\y' and statement !~ 'pg_prepared_statements|pg_catalog'`,
    ),
  );
  const bad: string[] = [];
  for (const statement of new Set(prepared.flat().map((row) => row.statement))) {
    const lines = await sql.unsafe<{ "QUERY PLAN": string }[]>(
      `explain (generic_plan, costs off) ${statement}`,
    );
    const found = lines.map((line) => line["QUERY PLAN"]).filter((line) => wholeTable.test(line));
    if (found.length > 0) bad.push(`${found.map((line) => line.trim()).join("; ")}: ${statement}`);
  }
  return bad;
}
