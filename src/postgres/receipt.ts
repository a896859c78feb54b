import { createHash } from "node:crypto";
import type { DeliveryReceipt } from "../domain/delivery-receipt.ts";
import type { Database } from "./database.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

/**
 * Keeps a verified callback as it came, and records what it reported: states only move forward, duplicates change
 * nothing. The event names the report by digest and proof, so that a report which was removed or added shows.
 */
export async function recordReceipt(db: Database, receipt: DeliveryReceipt): Promise<boolean> {
  const { sql } = db;
  const delivered = receipt.status === "delivered";
  const error =
    receipt.providerErrorCode === undefined ? {} : { provider_error_code: receipt.providerErrorCode };
  const facts = {
    ...error,
    report: createHash("sha256").update(receipt.parameters).digest("hex"),
    report_proof: receipt.providerProof,
  };
  const [row] = await sql<{ recorded: boolean }[]>`
    with ${db.now()}, l as (
      select s.*, t.now, c.id as challenge_id, c.status as challenge_status, c.provider, c.delivered_at,
        c.provider_error_code, c.provider_challenge_id
      from t, signature s join challenge c on c.signature_id = s.id
      where c.id = ${receipt.challengeId}::uuid and c.provider = ${receipt.provider}
      for update of s, c
    ), o as materialized (
      select l.*, ${receipt.status !== "accepted"}::boolean and l.delivered_at is null
          and l.provider_challenge_id is not distinct from ${receipt.providerChallengeId}
          and (${delivered}::boolean or l.provider_error_code is null) as fresh,
        exists (select from provider_receipt p
          where p.challenge_id = l.challenge_id and p.parameters = ${receipt.parameters}) as kept
      from l
    ), d as (
      select o.*, case
          when o.fresh then array[${delivered ? "CHALLENGE_DELIVERED" : "CHALLENGE_UNDELIVERED"}::text]
          when not o.kept then array['PROVIDER_REPORTED']
          else '{}'::text[]
        end as types,
        array[(jsonb_build_object('challenge_id', o.challenge_id, 'provider', o.provider,
          'provider_challenge_id', ${receipt.providerChallengeId}::text)
          || ${JSON.stringify(facts)}::text::jsonb)::text] as details
      from o
    ), ${appendedEvents(sql)}, k as (
      insert into provider_receipt (challenge_id, received_at, parameters, proof)
      select h.challenge_id, h.now, ${receipt.parameters}, ${receipt.providerProof} from h where not h.kept
    ), u as (
      update signature set ${movedChain(sql)} from h where signature.id = h.id and cardinality(h.types) > 0
    ), v as (
      update challenge set
        status = case
          when ${delivered}::boolean and h.challenge_status in ('pending', 'sent', 'failed') then 'delivered'
          when not ${delivered}::boolean and h.challenge_status in ('pending', 'sent') then 'failed'
          else challenge.status
        end,
        delivered_at = case when ${delivered}::boolean then h.now else challenge.delivered_at end,
        provider_error_code = case when ${delivered}::boolean then null
          else ${receipt.providerErrorCode ?? "other"}::text end
      from h where challenge.id = h.challenge_id and h.fresh
    )
    select fresh as recorded from h`;
  return row?.recorded ?? false;
}
