import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { pseudonyms } from "../../src/domain/keys.ts";
import { ActLog } from "../../src/postgres/act-log.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { PostgresOperatorOrderStore } from "../../src/postgres/operator-order-store.ts";
import { aKeyRing, aSignatureOf } from "../support/replicas.ts";
import { aRequestKey, noLimits, useStores } from "../support/stores.ts";

const { signatures, closings, sql, db, pass, now } = await useStores();
const evidence = new PostgresEvidenceStore(db);
const acts = new ActLog(db);
const ring = aKeyRing("n1");
const day = 86_400_000;
const rules = { failures: 3, windowMs: day, stepsMs: [900_000] };

async function started(customer: string = randomUUID()): Promise<string> {
  const signature = aSignatureOf({ customer }, ring);
  await signatures.start(aRequestKey(), signature, noLimits);
  return signature.id;
}

async function closed(customer?: string): Promise<string> {
  const id = await started(customer);
  await closings.abort("payments", id, undefined, "");
  await sql`update signature set sealed_length = chain_length where id = ${id}`;
  return id;
}

async function ordered(command: string, details: Record<string, string> = {}): Promise<string> {
  const act = randomUUID();
  await acts.record(act, "ORDERED", { command, as: "Ana Ruiz", ...details });
  return act;
}

const hold = async (id: string, command = "hold") =>
  await acts.carryOutHold(await ordered(command, { signature_id: id }));

const left = async (...ids: string[]) => {
  const rows = await sql<{ id: string }[]>`select id from signature where id = any (${ids}::uuid[])`;
  return ids.map((id) => rows.some((row) => row.id === id));
};

describe("legal hold", () => {
  test("keeps a signature from every purge, and from the owner of the tables, until it is released", async () => {
    await sql`update operator_policy set retention_floor_days = 1`;
    pass(Date.parse("2026-01-01T12:00:00Z") - now().getTime());
    const [kept, other] = [await closed(), await closed()];
    expect(await hold(kept)).toMatch(/^held/);
    expect(await hold(kept)).toMatch(/^nothing done/);
    expect(await hold(randomUUID())).toBe("no such signature");
    pass(100 * day);

    expect(await evidence.removeClosed(30, 50)).toBe(1);
    expect(await left(kept, other)).toEqual([true, false]);
    const purge = randomUUID();
    expect(await acts.orderPurge(purge, "Ana Ruiz", 30)).toMatchObject({ due: 0 });
    expect(await acts.purge(purge, 50)).toBe(0);
    await expect(
      sql.begin(async (tx) => {
        await tx`set local session_replication_role = replica`;
        await tx`delete from event where signature_id = ${kept}`;
        await tx`delete from challenge where signature_id = ${kept}`;
        await tx`set local session_replication_role = origin`;
        await tx`delete from signature where id = ${kept}`;
      }),
    ).rejects.toMatchObject({ constraint_name: "legal_hold_signature_id_signature_id_fk" });
    expect(await sql`select from event where signature_id = ${kept}`).not.toEqual([]);

    expect(await hold(kept, "release-hold")).toMatch(/^released/);
    expect(await hold(kept, "release-hold")).toMatch(/^nothing done/);
    expect(await evidence.removeClosed(30, 50)).toBe(1);
    expect(await left(kept)).toEqual([false]);
  });

  test("comes and goes by an act that was ordered, and not by another", async () => {
    const id = await closed();
    for (const act of [randomUUID(), await ordered("purge"), await ordered("forget")])
      await expect(acts.carryOutHold(act)).rejects.toMatchObject({ code: "SR004" });
    const done = await ordered("release-hold", { signature_id: id });
    await acts.carryOutHold(done);
    await hold(id);
    await expect(acts.carryOutHold(done)).rejects.toThrow("was carried out before");
    expect(await sql`select from legal_hold where signature_id = ${id}`).toHaveLength(1);
    await expect(acts.forget(await ordered("hold", { signature_id: id }), [])).rejects.toMatchObject({
      code: "SR004",
    });
  });
});

describe("a customer who is forgotten", () => {
  const guardsOf = (customer: string) => pseudonyms(ring, "customer-guard-v1", customer);
  const wholeDatabase = async () => {
    const tables = await sql<{ name: string }[]>`
      select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public'`;
    const texts = tables.map(({ name }) =>
      sql.unsafe<{ row: string }[]>(`select r::text as row from ${name} r`),
    );
    return (await Promise.all(texts)).flat().map(({ row }) => row);
  };
  const traces = async (customer: string) => {
    const guards = guardsOf(customer).map((guard) => guard.toString("hex"));
    return (await wholeDatabase()).filter((row) => guards.some((guard) => row.includes(guard))).length;
  };

  test("is found nowhere with the key, but in what is held; the timelines stay as they are", async () => {
    const [customer, other] = [randomUUID(), randomUUID()];
    const ids = [await closed(customer), await closed(customer)];
    const kept = await closed(customer);
    await hold(kept);
    await closed(other);
    const wrong = await started(customer);
    await closings.complete("payments", wrong, "code_mismatch", rules);
    await closings.abort("payments", wrong, undefined, "");
    const before = [await traces(customer), await traces(other)];
    const events = await sql`select * from event order by signature_id, number`;
    const result = await acts.forget(await ordered("forget"), guardsOf(customer));
    expect(result).toEqual({ forgotten: 3, held: 1 });
    // 4 signatures, and the rows of lockout for the caller and for all callers.
    expect({ before, after: [await traces(customer), await traces(other)] }).toEqual({
      ...{ before: [6, 1], after: [1, 1] },
    });
    expect(await sql`select * from event order by signature_id, number`).toEqual(events);
    expect(await left(...ids, kept, wrong)).toEqual([true, true, true, true]);
    const orders = new PostgresOperatorOrderStore(db);
    expect(await orders.block(ids[0]!, "customer", 60)).toBe(false);
    expect(await acts.forget(await ordered("forget"), guardsOf(customer))).toEqual({ forgotten: 0, held: 1 });
  });

  test("is not forgotten while something of it is open, locked out or blocked", async () => {
    const customer = randomUUID();
    const forget = async () => await acts.forget(await ordered("forget"), guardsOf(customer));
    const id = await started(customer);
    await expect(forget()).rejects.toThrow("has an open signature");
    for (let n = 0; n < 3; n += 1) await closings.complete("payments", id, "code_mismatch", rules);
    await sql`update lockout set locked_until = 'infinity' where last_signature_id = ${id}`;
    await expect(forget()).rejects.toThrow("blocked or locked out: free-customer first");
    const before = await traces(customer);
    expect(before).toBe(3);
    await new PostgresOperatorOrderStore(db).block(id, "customer", 0);
    // It went by the time of this test, which is ahead of the server's.
    await sql`update customer_guard set blocked_until = null`;
    expect(await forget()).toEqual({ forgotten: 1, held: 0 });
    expect(await traces(customer)).toBe(0);
  });
});
