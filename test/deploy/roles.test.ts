import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SealedChain } from "../../src/domain/seal-statement.ts";
import { PostgresClosingStore } from "../../src/postgres/closing-store.ts";
import { Database } from "../../src/postgres/database.ts";
import { PostgresDeliveryStore } from "../../src/postgres/delivery-store.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { missingGrants, neededRights, updatedColumns } from "../../src/postgres/grants.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { PostgresOperatorOrderStore } from "../../src/postgres/operator-order-store.ts";
import { PostgresSignatureStore } from "../../src/postgres/signature-store.ts";
import { PostgresUpkeepStore } from "../../src/postgres/upkeep-store.ts";
import { aReceipt } from "../support/domain.ts";
import { signSeal } from "../support/signing.ts";
import { aNewChallenge, aNewSignature, aRequestKey, aSid, noLimits, noLockout } from "../support/stores.ts";
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
  let runtimeUrl: string;

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
    runtimeUrl = database.url("postgres://signature_runtime:runtime@postgres/signature");
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
    const updates = [...text.matchAll(/^grant update \(([\w\s,]+)\) on (\w+) to signature_runtime;/gm)];
    expect(Object.fromEntries(updates.map(([, columns, table]) => [table, columns?.split(/,\s*/)]))).toEqual(
      updatedColumns,
    );
  });

  it("let the service do whatever its statements do", async () => {
    // The information schema would not show a table that was forgotten altogether.
    const rows = await runtime<{ name: string; verb: string; granted: boolean }[]>`
      select c.relname as name, v.verb, has_table_privilege(c.oid, v.verb)
          or v.verb in ('insert', 'update') and has_any_column_privilege(c.oid, v.verb) as granted
      from pg_class c, unnest(array['select', 'insert', 'update', 'delete']) as v(verb)
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')`;
    const verbs = statementVerbs(new Set(rows.map(({ name }) => name)));
    const refused = rows.filter(({ granted }) => !granted).map(({ verb, name }) => `${verb} ${name}`);
    expect(verbs).toContain("insert event");
    // The policy is its owner's to change, by the command of the migrations.
    expect(refused.filter((verb) => verbs.has(verb))).toEqual(["update operator_policy"]);
    expect(refused.filter((verb) => verb.startsWith("select "))).toEqual([]);
    await expect(
      runtime`select remove_closed_signatures(now() - interval '9601 hours', 1)`,
    ).resolves.toHaveLength(1);
    await expect(runtime`select count(*) from drizzle.__drizzle_migrations`).resolves.toHaveLength(1);
  });

  it("let it run every statement that changes signatures, with the columns that it has", async () => {
    const db = new Database({ url: runtimeUrl, connections: 2 });
    left.defer(() => db.close());
    const signatures = new PostgresSignatureStore(db);
    const deliveries = new PostgresDeliveryStore(db);
    const closings = new PostgresClosingStore(db, true);
    const upkeep = new PostgresUpkeepStore(db);
    const evidence = new PostgresEvidenceStore(db);
    const orders = new PostgresOperatorOrderStore(db);
    const started = async () => {
      const signature = aNewSignature();
      await signatures.start(aRequestKey(), signature, noLimits);
      return { id: signature.id, challengeId: signature.challenge.id };
    };
    const lease = { epoch: 1, durationMs: 20_000 };
    const [one, two, three] = [await started(), await started(), await started()];
    await deliveries.beginCall(one.challengeId, lease);
    await deliveries.unknown(one.challengeId, lease, "timeout");
    await deliveries.lookedUp(one.challengeId, lease, "nothing");
    await deliveries.park(one.challengeId, lease, 1);
    await deliveries.resume(one.challengeId, 20_000);
    const sid = aSid();
    const result = { providerChallengeId: sid, providerProof: "proof", sentAt: new Date() };
    await deliveries.accepted(one.challengeId, result, "answer");
    await deliveries.settled(aReceipt(one.challengeId, sid));
    await deliveries.refused(two.challengeId, "21211");
    const rules = { cooldownMs: 0, most: 5, ...noLimits };
    await signatures.resend(aRequestKey({ scope: two.id }), two.id, aNewChallenge(), rules);
    await deliveries.giveUp(three.challengeId, lease, "20429");
    await deliveries.takeUp(three.challengeId, 4, 20_000);
    await deliveries.takeOver(10, 20_000);
    await closings.complete("payments", one.id, "code_mismatch", noLockout);
    const consent = {
      ...{ challengeId: one.challengeId, channel: "sms" as const, textDigest: "" },
      receiptKeyId: "r1",
    };
    await closings.complete("payments", one.id, "match", noLockout, consent);
    await closings.abort("payments", two.id, undefined, "");
    await evidence.keepReceipt(one.id, "a.b.c");
    await upkeep.expire(10);
    await upkeep.erasePhoneNumbers(10);
    await upkeep.purgeKeys(10);
    await upkeep.purgeGuards(10);
    for (const task of ["feedback", "redaction"] as const) {
      for (const { claim } of await upkeep.due(task, 10, 1000)) await upkeep.done(task, claim);
    }
    await upkeep.dueLookUps(10, 1000);
    await upkeep.lookedUpAgain({ challengeId: one.challengeId, until: new Date() });
    const key = { id: "r1", key: Buffer.alloc(32) };
    const sign = async (chains: readonly SealedChain[]) => chains.map((chain) => signSeal(chain, key));
    expect(await evidence.sealClosed(10, sign)).toBe(2);
    const noOrder = { id: one.id, takenUntil: new Date() };
    await orders.take(1);
    await orders.done(noOrder, "");
  });

  it("let no role of the service remove what the floor keeps, nor order or approve unmarked", async () => {
    for (const before of [
      "now()",
      "now() + interval '1 day'",
      "now() - interval '9599 hours'",
      "'infinity'",
      "null",
    ]) {
      await expect(runtime.unsafe(`select remove_closed_signatures(${before}, 10)`)).rejects.toMatchObject({
        code: "SR003",
      });
    }
    const [order] = await runtime`
      insert into operator_order (id, ordered_at, ordered_by, command, parameters, login, verified)
      values (gen_random_uuid(), 'infinity', 'The Director', 'free-customer', '{"signature_id":"x"}', 'director', true)
      returning id, login, verified, ordered_at < now() + interval '1 minute' as dated`;
    expect(order).toMatchObject({ login: expect.stringMatching(/_runtime$/), verified: false, dated: true });
    const [act] = await runtime`
      select type, details from operator_act where act_id = ${order?.["id"]}`;
    expect(JSON.parse(act?.["details"])).toMatchObject({
      ...{ as: "The Director", verified: false, login: order?.["login"], command: "free-customer" },
    });
    const approving = runtime`
      insert into operator_act (act_id, type, details) values (${order?.["id"]}, 'APPROVED', '{"verified":true}')`;
    await expect(approving).rejects.toMatchObject({ code: "SR004" });
  });

  it.each([
    ["rewrite who asked", "update signature set caller = ''"],
    ["rewrite when it was asked", "update signature set created_at = now()"],
    ["rewrite how the customer was authenticated", "update signature set first_factor = ''"],
    ["rewrite what is signed", "update signature set transaction_digest = ''"],
    ["give a code another nonce", "update signature set code_nonce = ''"],
    ["rewrite where a code went", "update challenge set masked_destination = ''"],
    ["rewrite who sent it", "update challenge set provider = ''"],
    ["rewrite what a provider reported", "update provider_receipt set parameters = ''"],
    ["rewrite a checkpoint", "update checkpoint set seals = 0"],
    ["remove a checkpoint", "delete from checkpoint"],
    ["forget that a checkpoint was made", "delete from checkpoint_made"],
    ["forget where a checkpoint went", "delete from checkpoint_delivery"],
    ["remove a seal", "delete from seal"],
    ["rewrite when a key was first used", "update key_history set at = now()"],
    ["order in another's name", "update operator_order set ordered_by = ''"],
    ["lower the retention's floor", "update operator_policy set retention_floor_days = 1"],
    ["hold a signature without an act", "insert into legal_hold select id, now(), id from signature"],
    ["end a legal hold without an act", "delete from legal_hold"],
    ["take a signature from its customer", "update signature set customer_guards = '{}'"],
    ["rewrite an act", "update operator_act set details = '{}'"],
    ["remove an act", "delete from operator_act"],
    ["remove an order", "delete from operator_order"],
    ["end four eyes for an order", "update operator_order set four_eyes = false"],
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
