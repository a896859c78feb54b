import type { ProviderResult } from "../domain/provider.ts";
import type { Acceptance, AcceptanceSource } from "../domain/stores.ts";
import { erasedPhone } from "./closing.ts";
import type { Database } from "./database.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

type Row = SignatureRow & { readonly effect: Acceptance["effect"] | "stale" };

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
  for (;;) {
    const row = await recordOnce(db, challengeId, result, source);
    if (row === undefined) return undefined;
    const { effect } = row;
    // Others appended events while this statement waited for them: the next run sees theirs.
    if (effect !== "stale") return { signature: toSignature(row), effect };
  }
}

async function recordOnce(
  db: Database,
  challengeId: string,
  result: ProviderResult,
  source: AcceptanceSource,
): Promise<Row | undefined> {
  const { sql } = db;
  const sid = result.providerChallengeId;
  const [row] = await sql<Row[]>`
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
        when not exists (select from event e where e.signature_id = l.id and e.number = l.chain_length)
          then 'stale'
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
        ${erasedPhone(sql)}, ${movedChain(sql)}
      from h where signature.id = h.id
      returning signature.*
    ), v as (
      update challenge set
        status = case when h.challenge_status = 'pending' then 'sent' else challenge.status end,
        provider_challenge_id = coalesce(challenge.provider_challenge_id, ${sid}),
        provider_proof = case
          when h.provider_challenge_id <> ${sid} then challenge.provider_proof
          when ${source === "answer"}::boolean then ${result.providerProof}
          else coalesce(challenge.provider_proof, ${result.providerProof})
        end,
        sent_at = coalesce(challenge.sent_at, least(h.now, greatest(h.challenge_created_at,
          case when ${source === "look_up"}::boolean then ${result.sentAt}::timestamptz else h.now end))),
        lease_until = null,
        feedback_due_at = case when h.effect = 'sent' and h.status = 'completed' then h.now
          else challenge.feedback_due_at end,
        redact_due_at = case when h.effect = 'sent' and h.closed_at is not null then h.now + interval '1 minute'
          else challenge.redact_due_at end
      from h where challenge.id = h.challenge_id
      returning challenge.*
    )
    select h.effect, ${signatureColumns(sql)} from t, h, u s, v c`;
  return row;
}
