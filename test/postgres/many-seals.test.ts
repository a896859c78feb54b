import { beforeEach, expect, test } from "vitest";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { aNewSignature, aRequestKey, noLimits, useStores } from "../support/stores.ts";

const { sql, db, now, signatures } = await useStores();
const evidence = new PostgresEvidenceStore(db);
const count = 5000;

/** Seals a minute apart, by ids in no order, of signatures that do not exist. */
beforeEach(async () => {
  await sql`
    insert into seal (signature_id, length, head, key_id, signature, sealed_at)
    select md5(n::text)::uuid, 1 + n % 3, sha256(n::text::bytea), 'r1', repeat('x', 64)::bytea,
      ${now()}::timestamptz - n * interval '1 minute'
    from generate_series(1, ${count}::int) as n
    on conflict do nothing`;
});

test("the seals of a day are read in their order, a page at a time", async () => {
  const days = await sql<{ day: string; seals: string[] }[]>`
    select (sealed_at at time zone 'UTC')::date::text as day,
      array_agg(signature_id || ' ' || length order by signature_id, length) as seals
    from seal group by 1 order by 1`;
  expect(days.length).toBeGreaterThan(3);
  for (const { day, seals } of days) {
    const read: string[] = [];
    await evidence.readSeals(day, (page) => {
      expect(page.length).toBeLessThanOrEqual(1000);
      read.push(...page.map((seal) => `${seal.signatureId} ${seal.length}`));
    });
    expect(read).toEqual(seals);
  }
});

test("seals without their signature are found on every page, those of the time that is looked at", async () => {
  const { id } = aNewSignature();
  await signatures.start(aRequestKey(), aNewSignature({ id }), noLimits);
  await sql`
    insert into seal select ${id}::uuid, length, head, key_id, signature, sealed_at from seal limit 1`;
  const orphans = await evidence.orphanedSeals(400, 10_000);
  expect(new Set(orphans.map(({ signatureId }) => signatureId)).size).toBe(count);
  expect(orphans.map(({ signatureId }) => signatureId)).not.toContain(id);
  // Nine tenths of two days.
  expect(await evidence.orphanedSeals(2, 10_000)).toHaveLength(2591);
  expect(await evidence.orphanedSeals(2, 20)).toHaveLength(20);
});
