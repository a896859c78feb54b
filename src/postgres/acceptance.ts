import type { ProviderResult } from "../domain/provider.ts";
import { openStatuses } from "../domain/signature.ts";
import type { Acceptance, AcceptanceSource } from "../domain/stores.ts";
import type { Database } from "./database.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

/**
 * Records that the provider has a message of this challenge, whoever brings the news and whenever. The
 * first SID is the challenge's; another one means that the customer got the text twice. What a receipt
 * recorded earlier is completed, never taken back.
 */
export async function recordAcceptance(
  db: Database,
  challengeId: string,
  result: ProviderResult,
  source: AcceptanceSource,
): Promise<Acceptance | undefined> {
  const { sql } = db;
  const sid = result.providerChallengeId;
  const [row] = await sql<(SignatureRow & { effect: Acceptance["effect"] })[]>`
    with ${db.now()}, l as (
      select s.*, t.now, c.id as challenge_id, c.status as challenge_status, c.calls, c.provider,
        c.provider_challenge_id, c.created_at as challenge_created_at
      from t, signature s join challenge c on c.signature_id = s.id
      where c.id = ${challengeId}::uuid
      for update of s, c
    ), o as (
      select l.*, case
        when l.provider_challenge_id is null then 'sent'
        when l.provider_challenge_id = ${sid} then 'nothing_new'
        when exists (select from event e where e.signature_id = l.id and e.type = 'DUPLICATE_SENT'
          and e.details::json ->> 'provider_challenge_id' = ${sid}) then 'nothing_new'
        else 'duplicate'
      end as effect
      from l
    ), d as (
      select o.*, case o.effect
          when 'sent' then case when ${source === "look_up"}::boolean
            then array['LOOKED_UP', 'CHALLENGE_SENT'] else array['CHALLENGE_SENT'] end
          when 'duplicate' then array['DUPLICATE_SENT']
          else '{}'::text[]
        end as types,
        case when o.effect = 'sent' and ${source === "look_up"}::boolean
          then array[json_build_object('challenge_id', o.challenge_id, 'found', 'message')::text] else '{}'::text[]
        end || json_build_object('challenge_id', o.challenge_id, 'provider', o.provider,
          'provider_challenge_id', ${sid}::text, 'attempt', o.calls::text, 'known_by', ${source}::text)::text as details
      from o
    ), ${appendedEvents(sql)}, u as (
      update signature set
        status = case when signature.status = 'pending' and h.effect = 'sent' then 'challenge_sent'
          else signature.status end,
        phone_sealed = case when signature.status = any (${openStatuses}::text[]) then signature.phone_sealed end,
        ${movedChain(sql)}
      from h where signature.id = h.id
      returning signature.*
    ), v as (
      update challenge set
        status = case when h.challenge_status = 'pending' then 'sent' else challenge.status end,
        provider_challenge_id = coalesce(challenge.provider_challenge_id, ${sid}),
        provider_proof = case when h.effect = 'duplicate' then challenge.provider_proof
          else coalesce(challenge.provider_proof, ${result.providerProof}) end,
        sent_at = coalesce(challenge.sent_at, least(h.now, greatest(h.challenge_created_at,
          case when ${source === "look_up"}::boolean then ${result.sentAt}::timestamptz else h.now end))),
        lease_until = null,
        redact_due_at = case when h.closed_at is null then challenge.redact_due_at
          else coalesce(challenge.redact_due_at, h.now + interval '1 minute') end
      from h where challenge.id = h.challenge_id
      returning challenge.*
    )
    select h.effect, ${signatureColumns(sql)} from t, h, u s, v c`;
  return row && { signature: toSignature(row), effect: row.effect };
}
