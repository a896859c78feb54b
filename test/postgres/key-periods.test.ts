import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type KeyRing, type Keys, pseudonyms } from "../../src/domain/keys.ts";
import { claimInstallation } from "../../src/postgres/installation.ts";
import { aKeyRing, aSignatureOf, refusal, useReplicas } from "../support/replicas.ts";
import { aRequestKey } from "../support/stores.ts";

// A new pseudonym key for each period: the old one stays in the ring for a while beside it, and is destroyed then.

const { replica, sql, pass } = await useReplicas();
const all = aKeyRing("period-1", "period-2");
const ringOf = (primary: string, ...others: string[]): KeyRing => ({
  primary,
  keys: new Map([primary, ...others].map((id) => [id, all.keys.get(id)!])),
});
const before = ringOf("period-1");
const beside = ringOf("period-2", "period-1");
const after = ringOf("period-2");

const limits = { customerPerMinute: 0, phonePer10Minutes: 0 };
const rules = { failures: 5, windowMs: 3_600_000, stepsMs: [900_000] };

const start = (customer: string, ring: KeyRing) => {
  const signature = aSignatureOf({ customer }, ring);
  return { signature, done: replica(0).signatures.start(aRequestKey(), signature, limits) };
};

async function wrongCodes(customer: string, ring: KeyRing, times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    const { signature, done } = start(customer, ring);
    await done;
    await replica(0).closings.complete("payments", signature.id, "code_mismatch", rules);
  }
}

async function failures(customer: string, ring: KeyRing): Promise<number[]> {
  const guards = pseudonyms(ring, "customer-guard-v1", customer).map((guard) => guard.toString("hex"));
  const rows = await sql<{ failures: number }[]>`
    select cardinality(failed_at) as failures from lockout
    where encode(customer, 'hex') = any (${guards}::text[]) order by caller, customer`;
  return rows.map((row) => row.failures);
}

describe("A pseudonym key that is destroyed", () => {
  test("was known to the database, and its absence stops no start; another key under its id does", async () => {
    const keysWith = (pseudonym: KeyRing): Keys => {
      const other = aKeyRing("k1");
      return { codePepper: other, phoneSeal: other, pseudonym, evidence: other, receipt: other };
    };
    const { db } = replica(0);
    const others = keysWith(before);
    for (const pseudonym of [before, beside, after])
      await claimInstallation(db, "live", { ...others, pseudonym });
    const replaced = { ...others, pseudonym: aKeyRing("period-1") };
    await expect(claimInstallation(db, "live", replaced)).rejects.toThrow("pseudonym.period-1");
  });

  test("takes no failure along, where the customer was seen while both keys were there", async () => {
    const customer = randomUUID();
    await wrongCodes(customer, before, 3);
    await wrongCodes(customer, beside, 1);
    expect(await failures(customer, after)).toEqual([4, 4]);
    await wrongCodes(customer, after, 1);
    expect(await refusal(start(customer, after).done)).toMatchObject({ reason: "CUSTOMER_BLOCKED" });
  });

  test("takes no lockout along, where the customer asked while both keys were there", async () => {
    const [seen, unseen] = [randomUUID(), randomUUID()];
    for (const customer of [seen, unseen]) {
      for (let step = 0; step < 2; step += 1) {
        await wrongCodes(customer, before, 5);
        pass(900_000);
      }
      expect(await refusal(start(customer, before).done)).toMatchObject({ metadata: { until: "freed" } });
    }
    await Promise.all(Array.from({ length: 4 }, () => refusal(start(seen, beside).done)));
    expect(await refusal(start(seen, after).done)).toMatchObject({ metadata: { until: "freed" } });
    expect(await start(unseen, after).done).toBeDefined();
  });

  test("leaves rows that no key leads to any more", async () => {
    const customer = randomUUID();
    await wrongCodes(customer, before, 1);
    await wrongCodes(customer, after, 1);
    const guards = (ring: KeyRing) =>
      pseudonyms(ring, "customer-guard-v1", customer).map((guard) => guard.toString("hex"));
    const signatures = (ring: KeyRing) => sql`
      select from signature where customer_guards && array(
        select decode(g, 'hex') from unnest(${guards(ring)}::text[]) g)`;
    expect([await signatures(beside), await signatures(after)].map((rows) => rows.length)).toEqual([2, 1]);
    expect(await failures(customer, after)).toEqual([1, 1]);
    expect(await failures(customer, before)).toEqual([1, 1]);
  });
});
