import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { openPool } from "../../src/postgres/open.ts";
import { detectPooling } from "../../src/postgres/pooling.ts";
import { serviceSettings } from "../../src/postgres/session.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { PgBouncer, pgBouncers } from "../support/pgbouncer.ts";
import { runTool } from "../support/tool-process.ts";

const open = (url: string) => openPool({ url, variable: "DATABASE_URL", connections: 4, allGrants: true });

/** The statements of a refusal, as an operator pastes them. */
async function paste(database: TestDatabase, refusal: string): Promise<void> {
  for (const [statement] of refusal.matchAll(/alter role .*;/g)) await database.sql.unsafe(statement);
}

it("sees nothing where there is nothing, behind a proxy neither", async () => {
  await using real = await createDatabase({ empty: true });
  expect(await detectPooling(real.url, "the database")).toBe("none");
});

describe
  .skipIf(pgBouncers.length === 0)
  .each(pgBouncers.length === 0 ? [{ version: "none", program: "", tracks: false }] : pgBouncers)(
  "PgBouncer $version",
  ({ program, tracks }) => {
    it("with its defaults hands out sessions, in which the settings are in force", async () => {
      await using real = await createDatabase();
      await using bouncer = await PgBouncer.start(program, real.url);
      expect(await detectPooling(bouncer.url, "the database")).toBe("session");
      const database = await open(bouncer.url);
      const shown = await Promise.all(
        Array.from(
          { length: 8 },
          () => database.sql<{ name: string; value: string }[]>`
          select name, current_setting(name) as value from pg_sleep(0.02), unnest(${Object.keys(serviceSettings)}::text[]) as s (name)
          where current_setting(name, true) is not null`,
        ),
      );
      for (const rows of shown) {
        expect(Object.fromEntries(rows.map(({ name, value }) => [name, value]))).toEqual(serviceSettings);
      }
      await database.close();
    });

    it("migrates by sessions", async () => {
      await using real = await createDatabase({ empty: true });
      await using bouncer = await PgBouncer.start(program, real.url);
      const up = await runTool("migrate", ["up"], { DATABASE_URL: bouncer.url });
      expect(up).toMatchObject({ code: 0, said: expect.stringMatching(/^applied: 0000_/) });
    });

    it.each([{}, { server_round_robin: 1 }, { default_pool_size: 1 }])(
      "in transaction mode is recognised, with %j",
      async (settings) => {
        await using real = await createDatabase();
        await using bouncer = await PgBouncer.start(program, real.url, {
          pool_mode: "transaction",
          ...settings,
        });
        const detected = detectPooling(bouncer.url, "the database");
        if (tracks) expect(await detected).toBe("transaction");
        else
          await expect(detected).rejects.toThrow(
            /does not track prepared statements: set pool_mode = session/,
          );
      },
    );

    it.runIf(tracks)("in transaction mode is refused where statements are not tracked", async () => {
      await using real = await createDatabase();
      const settings = { pool_mode: "transaction", max_prepared_statements: 0 };
      await using bouncer = await PgBouncer.start(program, real.url, settings);
      await expect(open(bouncer.url)).rejects.toThrow(
        /PgBouncer 1.21 or later with max_prepared_statements = 200/,
      );
    });

    it.runIf(tracks)(
      "in transaction mode works once the role has the settings, which a refusal lists",
      async () => {
        await using real = await createDatabase();
        const settings = { pool_mode: "transaction", max_prepared_statements: 20, default_pool_size: 3 };
        const bouncer = await PgBouncer.start(program, real.url, settings);
        const refusal: string = await open(bouncer.url).then(
          () => "",
          (error: Error) => error.message,
        );
        await bouncer[Symbol.asyncDispose]();
        expect(refusal).toMatch(/settings must be the role's, and are not \(statement_timeout is "0"/);
        await paste(real, refusal);
        await using again = await PgBouncer.start(program, real.url, settings);
        const database = await open(again.url);
        const marks = Array.from({ length: 200 }, () => randomUUID());
        const answers = await Promise.all(marks.map((mark, n) => read(mark, n % 30)));
        expect(answers).toEqual(marks);
        expect(await database.sql`show lock_timeout`).toEqual([{ lock_timeout: "5s" }]);
        await database.close();

        /** More texts than the pooler keeps. */
        async function read(mark: string, n: number): Promise<string> {
          const text = `select $1::text as mark, ${n} as n, pg_sleep(0.001)`;
          const [row] = await database.sql.unsafe<{ mark: string }[]>(text, [mark], { prepare: true });
          return row?.mark ?? "";
        }
      },
    );

    it.runIf(tracks)("in transaction mode takes no migrations", async () => {
      await using real = await createDatabase({ empty: true });
      await using bouncer = await PgBouncer.start(program, real.url, { pool_mode: "transaction" });
      const up = await runTool("migrate", ["up"], { DATABASE_URL: bouncer.url });
      expect(up).toMatchObject({
        code: 1,
        said: expect.stringMatching(/set DATABASE_MIGRATION_URL to the server/),
      });
    });

    it("in statement mode is refused", async () => {
      await using real = await createDatabase();
      await using bouncer = await PgBouncer.start(program, real.url, { pool_mode: "statement" });
      await expect(open(bouncer.url)).rejects.toThrow(/takes no transactions: set pool_mode = session/);
    });

    it("that is not let in says whose fault it is", async () => {
      await using real = await createDatabase();
      await using bouncer = await PgBouncer.start(program, real.url);
      const [other, nowhere] = [new URL(bouncer.url), new URL(bouncer.url)];
      other.username = "nobody_known";
      nowhere.pathname = "/no_such_database";
      for (const url of [other, nowhere]) {
        await expect(open(url.href)).rejects.toMatchObject({
          name: "DatabaseFault",
          message: expect.stringMatching(
            /^the database of DATABASE_URL \(127\.0\.0\.1:\d+\/\w+\): .+ \(\w{5}: ".+"\)\. [A-Z].+\.$/,
          ),
        });
      }
    });
  },
);
