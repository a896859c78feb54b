import type { Sql } from "postgres";
import { expect, test } from "vitest";
import { assembledOnce } from "../../src/postgres/templates.ts";
import { useDatabase } from "../support/database.ts";

const { sql: driver } = await useDatabase();
const sql = assembledOnce(driver);

test("fragments, names and values come together in the order in which they stand", async () => {
  const least = (value: number) => sql`n >= ${value}::int`;
  const [row] = await sql`
    select sum(n)::int as ${sql('odd "name"')}, ${"x"}::text as x
    from generate_series(1, ${5}::int) as n where ${least(3)} and n <> ${4}::int`;
  expect(row).toEqual({ 'odd "name"': 8, x: "x" });
});

test("one place in the code with other fragments is another statement", async () => {
  const ask = (descending: boolean) => {
    const order = descending ? sql`order by n desc` : sql`order by n + ${0}::int`;
    return sql`select n from generate_series(1, 2) as n ${order} limit ${1}::int`;
  };
  for (let round = 0; round < 2; round += 1) {
    expect(await ask(true)).toEqual([{ n: 2 }]);
    expect(await ask(false)).toEqual([{ n: 1 }]);
  }
});

test("values are never part of the text, and it is prepared once", async () => {
  await driver.begin(async (tx) => {
    const same = assembledOnce(tx as unknown as Sql);
    const ask = (value: string) => same`select ${value}::text as "kept apart"`;
    expect(await ask("'); drop table signature; --")).toEqual([
      { "kept apart": "'); drop table signature; --" },
    ]);
    await ask("another");
    const prepared = await tx`
      select statement from pg_prepared_statements where statement like '%kept apart%' and statement not like '%like%'`;
    expect(prepared).toEqual([{ statement: 'select $1::text as "kept apart"' }]);
  });
});

test("a transaction takes the same templates, one by one or several at once", async () => {
  const two = await sql.begin((tx) => [tx`select ${1}::int as n`, tx`select ${2}::int as n`]);
  expect(two.map(([row]) => row)).toEqual([{ n: 1 }, { n: 2 }]);
  const rows: unknown[] = [];
  await sql.begin(async (tx) => {
    for await (const some of tx`select n from generate_series(1, ${3}::int) as n`.cursor(2))
      rows.push(some.length);
  });
  expect(rows).toEqual([2, 1]);
});

test("a statement runs once, however often it is waited for, and its error reaches all who wait", async () => {
  const broken = sql`select ${0}::int / 0`;
  await expect(broken).rejects.toMatchObject({ code: "22012" });
  expect(await broken.catch((error: { code: string }) => error.code)).toBe("22012");
});
