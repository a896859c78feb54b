import { randomUUID } from "node:crypto";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PostgresClosingStore } from "../../src/postgres/closing-store.ts";
import { Database } from "../../src/postgres/database.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { PostgresOperatorOrderStore } from "../../src/postgres/operator-order-store.ts";
import { PostgresSignatureStore } from "../../src/postgres/signature-store.ts";
import { signSeal } from "../support/signing.ts";
import { aNewSignature, aRequestKey, noLimits } from "../support/stores.ts";
import { runTool } from "../support/tool-process.ts";
import { DeployedDatabase } from "./deployment.ts";

const root = join(import.meta.dirname, "../..");

describe("operators with logins of their own", () => {
  const left = new AsyncDisposableStack();
  const at: Record<"migrator" | "runtime" | "ana" | "luis" | "marta", string> = {
    ...{ migrator: "", runtime: "", ana: "", luis: "", marta: "" },
  };
  let service: Database;
  let orders: PostgresOperatorOrderStore;
  /** Of the server's administrator, whom no trigger holds. */
  let superuser: postgres.Sql;

  beforeAll(async () => {
    const database = left.use(
      new DeployedDatabase({ MIGRATOR_PASSWORD: "migrator", RUNTIME_PASSWORD: "runtime" }),
    );
    await database.run("roles.sql");
    for (const role of ["migrator", "runtime"] as const)
      at[role] = database.url(`postgres://signature_${role}:${role}@postgres/signature`);
    const migrator = postgres(at.migrator, { max: 1, onnotice: () => {} });
    await migrate(migrator, { folder: join(root, "drizzle") });
    await database.run("grants.sql", migrator);
    await database.run("operators.sql", migrator);
    await migrator`update operator_policy set operator_role = ${database.renamed("signature_operator")}`;
    await migrator.end();
    for (const name of ["ana", "luis", "marta"] as const) at[name] = await database.operator(name);
    service = new Database({ url: at.runtime, connections: 2 });
    left.defer(() => service.close());
    orders = new PostgresOperatorOrderStore(service);
    superuser = postgres(database.administrator(), { max: 1, onnotice: () => {} });
    left.defer(() => superuser.end());
    for (let n = 0; n < 2; n += 1) {
      const signature = aNewSignature();
      await new PostgresSignatureStore(service).start(aRequestKey(), signature, noLimits);
      ids.push(signature.id);
    }
  });

  afterAll(() => left.disposeAsync());
  const ids: string[] = [];

  const admin = (who: keyof typeof at, ...args: string[]) =>
    runTool("admin", args, { DATABASE_URL: at[who], SIGNATURE_RETENTION_DAYS: "1" });
  const setPolicy = (...args: string[]) =>
    runTool("migrate", ["policy", ...args], { DATABASE_URL: at.migrator });
  const actIdOf = (said: string) => /approve ([0-9a-f-]{36})/.exec(said)?.[1] ?? "";

  it("need no name, do what the tool does, and read no more", async () => {
    const shown = await admin("ana", "show", ids[0] ?? "");
    expect(shown).toMatchObject({ code: 0, said: expect.stringContaining("SIGNATURE_STARTED") });
    for (const command of ["stuck", "lockouts"])
      expect(await admin("ana", command)).toMatchObject({ code: 0 });
    const [nameless, named] = await Promise.all([
      admin("runtime", "show", ids[0] ?? ""),
      admin("runtime", "show", ids[0] ?? "", "--as", "ana"),
    ]);
    expect(nameless).toMatchObject({
      code: 2,
      said: expect.stringContaining("--as <your name> is mandatory"),
    });
    expect(named.code).toBe(0);
    const { said, code } = await admin("luis", "acts");
    expect(code).toBe(0);
    expect(said).toMatch(new RegExp(`READ     test_\\w+_ana  show signature_id=${ids[0]}`));
    expect(said).toMatch(
      new RegExp(`READ     ana \\(unverified, login test_\\w+_runtime\\)  show signature_id=${ids[0]}`),
    );
    const ana = postgres(at.ana, { max: 1, onnotice: () => {} });
    left.defer(() => ana.end());
    for (const statement of [
      "select code_nonce from signature",
      "select customer_pseudonym from signature",
      "update signature set status = 'aborted'",
      "update operator_policy set four_eyes = '{}'",
      "update operator_order set done_at = now(), result = 'done'",
      "delete from operator_act",
      "select remove_closed_signatures(now() - interval '500 days', 1)",
    ])
      await expect(ana.unsafe(statement)).rejects.toMatchObject({ code: "42501" });
  });

  it("have an order under four eyes approved by another, once, before a replica can take it", async () => {
    expect(await setPolicy("--four-eyes", "free-customer,purge")).toMatchObject({
      code: 0,
      said: expect.stringContaining("four eyes: free-customer, purge"),
    });
    expect(await admin("runtime", "free-customer", ids[0] ?? "", "--as", "ana")).toMatchObject({
      code: 1,
      said: expect.stringMatching(/^refused: free-customer is under four eyes: it needs a login of your own/),
    });
    const ordered = await admin("ana", "free-customer", ids[0] ?? "");
    const id = actIdOf(ordered.said);
    expect(ordered).toMatchObject({ code: 0, said: expect.stringContaining("waits for another operator") });
    expect((await admin("luis", "acts")).said).toContain(`waits for approval: free-customer ${id}`);
    expect(await orders.take(10)).toEqual([]);
    // The service's own role does not get past it.
    for (const change of ["taken_until = null", "taken_until = now()", "done_at = now(), result = 'done'"]) {
      const around = service.sql.unsafe(`update operator_order set ${change} where id = '${id}'`);
      await expect(around).rejects.toMatchObject({ code: "SR004", message: "the order waits for approval" });
    }
    expect((await admin("ana", "approve", id)).said).toBe(
      "refused: another operator has to approve what you ordered\n",
    );
    expect((await admin("runtime", "approve", id, "--as", "luis")).said).toMatch(
      /^refused: to approve it needs a login/,
    );
    expect((await admin("luis", "approve", randomUUID())).said).toBe("refused: no such act\n");
    const both = Promise.all([admin("luis", "approve", id), admin("marta", "approve", id)]);
    let [taken] = await orders.take(10);
    while (taken === undefined) [taken] = await orders.take(10);
    expect(taken).toMatchObject({ id, orderedBy: expect.stringMatching(/_ana$/) });
    await orders.done(taken, "done");
    const runs = await both;
    expect(runs.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(runs.map(({ said }) => said).sort()).toEqual([
      "approved: free-customer\ndone\n",
      "refused: it was approved before\n",
    ]);
  });

  it("approve no order after a day, and see who meddled with the log", async () => {
    const id = actIdOf((await admin("ana", "free-customer", ids[0] ?? "")).said);
    await superuser.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update operator_act set at = at - interval '25 hours' where act_id = ${id}`;
    });
    expect((await admin("luis", "approve", id)).said).toBe(
      "refused: it was ordered more than 24 hours ago: order it again\n",
    );
    const { said, code } = await admin("luis", "acts");
    expect(code).toBe(1);
    expect(said).toMatch(/DOES NOT FIT: entry \d+ was changed/);
    await superuser.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`delete from operator_act where number = 2`;
    });
    expect((await admin("luis", "acts")).said).toContain(
      "DOES NOT FIT: entry 2 is missing: number 3 stands in its place",
    );
  });

  it("purge under four eyes, with who, how many and until when in the log before the first one goes", async () => {
    await new PostgresClosingStore(service, false).abort("payments", ids[1] ?? "", undefined, "");
    const key = { id: "r1", key: Buffer.alloc(32) };
    expect(
      await new PostgresEvidenceStore(service).sealClosed(10, async (chains) =>
        chains.map((chain) => signSeal(chain, key)),
      ),
    ).toBe(1);
    await superuser.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update signature set closed_at = closed_at - interval '2 days' where id = ${ids[1] ?? ""}`;
    });
    await setPolicy("--retention-floor", "1");
    const ordered = await admin("ana", "purge");
    const id = actIdOf(ordered.said);
    expect(ordered.said).toMatch(
      /^1 signatures were closed more than 1 days ago\nwaits for another operator/,
    );
    const ana = postgres(at.ana, { max: 1, onnotice: () => {} });
    left.defer(() => ana.end());
    await expect(ana`select purge_signatures(${id}, 10)`).rejects.toMatchObject({
      ...{ code: "SR004", message: "the purge waits for approval" },
    });
    await expect(ana`select purge_signatures(${randomUUID()}, 10)`).rejects.toMatchObject({ code: "SR004" });
    expect(await admin("luis", "approve", id)).toMatchObject({
      code: 0,
      said: "approved: purge\nremoved 1\n1 signatures removed\n",
    });
    const log = await service.sql<{ type: string; details: string }[]>`
      select type, details from operator_act where act_id = ${id} order by number`;
    const details = log.map((entry) => JSON.parse(entry.details) as Record<string, unknown>);
    expect(log.map(({ type }) => type)).toEqual(["ORDERED", "APPROVED", "REMOVED", "DONE"]);
    expect(details[0]).toMatchObject({ command: "purge", due: 1, days: 1, verified: true, four_eyes: true });
    expect(details.map(({ login }) => String(login).split("_").at(-1))).toEqual([
      "ana",
      "luis",
      "luis",
      "luis",
    ]);
    expect(details[2]).toMatchObject({ signatures: 1 });
  });
});
