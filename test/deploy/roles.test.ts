import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missingGrants, neededRights } from "../../src/postgres/grants.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { DeployedDatabase } from "./deployment.ts";

const root = join(import.meta.dirname, "../..");
const passwords = { MIGRATOR_PASSWORD: "migrator", RUNTIME_PASSWORD: "runtime" };

/** What the statements of src/postgres do to which table, e.g. "update signature". */
function statementVerbs(tables: ReadonlySet<string>): Set<string> {
  const text = globSync("src/postgres/**/*.ts", { cwd: root })
    .map((path) => readFileSync(join(root, path), "utf8"))
    .join("\n");
  const verbs = new Set<string>();
  for (const [verb, pattern] of [
    ["insert", /\binsert\s+into\s+(\w+)/gi],
    ["update", /\bupdate\s+(\w+)/gi],
    ["update", /\binsert\s+into\s+(\w+)(?:(?!insert\s+into)[^`])*\bdo\s+update\b/gi],
    ["delete", /\bdelete\s+from\s+(\w+)/gi],
    ["select", /\b(?:from|join)\s+(\w+)/gi],
  ] as const) {
    for (const [, table = ""] of text.matchAll(pattern)) if (tables.has(table)) verbs.add(`${verb} ${table}`);
  }
  return verbs;
}

describe("the database roles of the deployment", () => {
  const left = new AsyncDisposableStack();
  let runtime: postgres.Sql;

  beforeAll(async () => {
    const database = left.use(new DeployedDatabase(passwords));
    await database.run("roles.sql");
    const connect = (role: string) =>
      postgres(database.url(`postgres://signature_${role}:${role}@postgres/signature`), {
        max: 1,
        onnotice: () => {},
      });
    const migrator = connect("migrator");
    await migrate(migrator, { folder: join(root, "drizzle") });
    await database.run("grants.sql", migrator);
    // A release's grants are given again with every release.
    await database.run("grants.sql", migrator);
    await migrator.end();
    runtime = connect("runtime");
    left.defer(() => runtime.end());
  });

  afterAll(() => left.disposeAsync());

  it("have the rights that the service looks for at its start, and no more on its tables", async () => {
    expect(await missingGrants(runtime)).toEqual([]);
    const text = readFileSync(join(root, ".deploy/postgres/grants.sql"), "utf8").replaceAll(/^--.*\n/gm, "");
    for (const [verbs, tables] of Object.entries(neededRights)) {
      const granted = [...text.matchAll(/^grant ([\w, ]+)\s+on ([\w\s,]+?)\s+to signature_runtime;/gm)].find(
        ([, some]) => some?.trim() === verbs,
      );
      expect(granted?.[2]?.split(/,\s*/).sort()).toEqual([...tables].sort());
    }
  });

  it("let the service do whatever its statements do", async () => {
    // The information schema would not show a table that was forgotten altogether.
    const rows = await runtime<{ name: string; verb: string; granted: boolean }[]>`
      select c.relname as name, v.verb, has_table_privilege(c.oid, v.verb) as granted
      from pg_class c, unnest(array['select', 'insert', 'update', 'delete']) as v(verb)
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')`;
    const verbs = statementVerbs(new Set(rows.map(({ name }) => name)));
    const refused = rows.filter(({ granted }) => !granted).map(({ verb, name }) => `${verb} ${name}`);
    expect(verbs).toContain("insert event");
    expect(refused.filter((verb) => verbs.has(verb))).toEqual([]);
    expect(refused.filter((verb) => verb.startsWith("select "))).toEqual([]);
    await expect(runtime`select remove_closed_signatures(now(), 1)`).resolves.toHaveLength(1);
    await expect(runtime`select count(*) from drizzle.__drizzle_migrations`).resolves.toHaveLength(1);
  });

  it.each([
    ["define a table", "create table public.more (id int)"],
    ["define a temporary table", "create temporary table more (id int)"],
    ["change a table", "alter table signature add column more int"],
    ["switch a trigger off", "alter table event disable trigger all"],
    ["rewrite an event", "update event set details = '{}'"],
    ["remove an event", "delete from event"],
    ["remove a signature", "delete from signature"],
    ["rewrite a receipt", "update receipt set jws = ''"],
    ["rewrite a seal", "update seal set length = 0"],
    ["turn a live database into a sandbox", "update installation set kind = 'sandbox'"],
    ["pass another key off under a known id", "update known_key set check_value = ''"],
    ["empty a table", "truncate idempotency_key"],
    ["claim a migration", "delete from drizzle.__drizzle_migrations"],
    ["read passwords", "select rolpassword from pg_authid"],
  ])("do not let it %s", async (_, statement) => {
    await expect(runtime.unsafe(statement)).rejects.toMatchObject({ code: "42501" });
  });
});
