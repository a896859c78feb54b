import type { Database } from "../../src/postgres/database.ts";

/** How a plan reads all of a table, however few rows the statement is about. Callers are few, each with one row. */
const wholeTable = /hashed SubPlan|Seq Scan(?! on caller_grants)/;

/** So many alike are for the limits of customers and numbers, or for the open and the closed. */
const alikeAtMost = 2;

/**
 * What a database's connections have prepared so far and would read a whole table for, or work out a subquery in
 * several places: PostgreSQL copies it to wherever a CTE's column is named, unless the CTE is materialized. A plan that
 * is made while a table is empty is kept while it grows, so tables with few rows show it best.
 */
export async function wastefulPlans(db: Database, connections: number): Promise<string[]> {
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
    const plan = lines.map((line) => line["QUERY PLAN"]);
    const found = [...plan.filter((line) => wholeTable.test(line)), ...copies(plan)];
    if (found.length > 0) bad.push(`${found.map((line) => line.trim()).join("; ")}: ${statement}`);
  }
  return bad;
}

/** Subplans of a plan that stand in more places than two, without the numbers that tell their aliases apart. */
function copies(plan: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const [n, line] of plan.entries()) {
    if (!/^ *SubPlan \d+$/.test(line)) continue;
    const depth = line.search(/\S/);
    const end = plan.findIndex((other, m) => m > n && other.search(/\S/) <= depth);
    const body = plan.slice(n + 1, end === -1 ? undefined : end).map((other) => other.trim());
    const alike = body.join(" ").replaceAll(/_\d+|\$\d+/g, "");
    counts.set(alike, (counts.get(alike) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > alikeAtMost)
    .map(([alike, count]) => `${count} times ${alike}`);
}
