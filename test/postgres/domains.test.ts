import { expect, test } from "vitest";
import { domains } from "../../src/postgres/schema/domains.ts";
import { aNewSignature, aRequestKey, noLimits, useStores } from "../support/stores.ts";

const { sql, signatures } = await useStores();
const signature = aNewSignature();
await signatures.start(aRequestKey(), signature, noLimits);

test.each(Object.entries(domains))("the domain %s has the texts that the code knows", async (name, texts) => {
  const [row] = await sql`
    select pg_get_expr(c.conbin, 0) as demand
    from pg_type t join pg_constraint c on c.contypid = t.oid where t.typname = ${name}`;
  const listed = [...String(row?.["demand"]).matchAll(/'([^']+)'/g)].map(([, text]) => text);
  expect(listed).toEqual(texts);
});

test.each([
  ["signature", "status = 'begun', closed_at = now()", "signature_status_known"],
  ["signature", "status = 'aborted', closed_at = now(), abort_reason = 'bored'", "abort_reason_known"],
  ["signature", "abort_reason = 'operator'", "signature_abort_reason_known"],
  ["challenge", "status = 'lost'", "challenge_status_known"],
  ["challenge", "channel = 'pigeon'", "challenge_channel_known"],
])("%s refuses %s", async (table, assignment, rule) => {
  const updated = sql.unsafe(`update ${table} set ${assignment}`);
  await expect(updated).rejects.toMatchObject({ code: "23514", constraint_name: rule });
});

test("the timeline refuses an event of an unknown type", async () => {
  const inserted = sql`
    insert into event (signature_id, number, at, details, type, hash)
    values (${signature.id}, 3, now(), '{}', 'SIGNATURE_FORGOTTEN', sha256(''))`;
  await expect(inserted).rejects.toMatchObject({ code: "23514", constraint_name: "event_type_known" });
});
