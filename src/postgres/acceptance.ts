import postgres from "postgres";
import type { ProviderResult } from "../domain/provider.ts";
import type { Acceptance, AcceptanceSource } from "../domain/stores.ts";
import { erasedPhone } from "./closing.ts";
import { type Database, milliseconds } from "./database.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

type Row = SignatureRow & { readonly effect: Acceptance["effect"] | "stale" };

interface News {
  readonly challengeId: string;
  readonly result: ProviderResult;
  readonly source: AcceptanceSource;
  /** From the acceptance of what was sent again to the next look at the provider's list. */
  readonly settleMs: number;
}

/**
 * Records that the provider has a message of this challenge, whoever brings the news and whenever. The
 * first SID is the challenge's; another one means that the customer got the text twice. What a receipt
 * recorded earlier is completed, never taken back.
 */
export async function recordAcceptance(db: Database, news: News): Promise<Acceptance | undefined> {
  let taken = false;
  for (;;) {
    let row: Row | undefined;
    try {
      row = await recordOnce(db, news, taken);
    } catch (error) {
      if (taken || !isTaken(error)) throw error;
      taken = true;
      continue;
    }
    if (row === undefined) return undefined;
    const { effect } = row;
    if (effect === "elsewhere") return { effect };
    // Others appended events while this statement waited for them: the next run sees theirs.
    if (effect !== "stale") return { signature: toSignature(row), effect };
  }
}

/**
 * Another challenge has the SID as its own. Where the provider lists no texts, the messages to one number
 * cannot be told apart, and the other one may have been looked up first.
 */
function isTaken(error: unknown): boolean {
  return (
    error instanceof postgres.PostgresError && error.constraint_name === "challenge_provider_challenge_id"
  );
}

/** @param taken another challenge has the SID: a look-up is then wrong, and an answer or a receipt still right */
async function recordOnce(
  db: Database,
  { challengeId, result, source, settleMs }: News,
  taken: boolean,
): Promise<Row | undefined> {
  const { sql } = db;
  const sid = result.providerChallengeId;
  const lookedUp = sql`${source === "look_up"}::boolean`;
  const [row] = await sql<Row[]>`
    with ${db.now()}, l as (
      select s.*, t.now, c.id as challenge_id, c.status as challenge_status, c.calls, c.look_ups,
        c.provider, c.provider_challenge_id, c.further_message_ids, c.last_look_up_due_at, c.created_at as challenge_created_at,
        cardinality(coalesce(c.further_message_ids, '{}'))
          + (c.provider_challenge_id is not null)::int as messages
      from t, signature s join challenge c on c.signature_id = s.id
      where c.id = ${challengeId}::uuid
      for update of s, c
    ), o as (
      select l.*, case
        when l.provider_challenge_id = ${sid} or ${sid} = any (l.further_message_ids) then 'nothing_new'
        -- No more messages than calls: what a list shows beyond them is some other challenge's.
        when ${lookedUp} and (${taken}::boolean or l.messages >= l.calls) then 'elsewhere'
        when l.messages = 0 then 'sent'
        when not exists (select from event e where e.signature_id = l.id and e.number = l.chain_length)
          then 'stale'
        when exists (select from event e where e.signature_id = l.id and e.type = 'DUPLICATE_SENT'
          and e.details::json ->> 'provider_challenge_id' = ${sid}) then 'nothing_new'
        else 'duplicate'
      end as effect
      from l
    ), d as (
      select o.*,
        case when o.effect = 'sent' and o.calls > 1 and o.look_ups > 0 and o.phone_sealed is not null
          then o.now + ${milliseconds(sql, settleMs)} else o.last_look_up_due_at end as look_up_due_at,
        case o.effect
          when 'sent' then case when ${lookedUp}
            then array['LOOKED_UP', 'CHALLENGE_SENT'] else array['CHALLENGE_SENT'] end
          when 'duplicate' then array['DUPLICATE_SENT']
          else '{}'::text[]
        end as types,
        case when o.effect = 'sent' and ${lookedUp}
          then array[json_build_object('challenge_id', o.challenge_id, 'found', 'message')::text] else '{}'::text[]
        end || json_build_object('challenge_id', o.challenge_id, 'provider', o.provider,
          'provider_challenge_id', ${sid}::text, 'attempt', o.calls::text, 'known_by', ${source}::text)::text as details
      from o
    ), ${appendedEvents(sql)}, u as (
      update signature set
        status = case when signature.status = 'pending' and h.effect = 'sent' then 'challenge_sent'
          else signature.status end,
        ${erasedPhone(sql)}, ${movedChain(sql)}
      from h where signature.id = h.id and h.effect <> 'elsewhere'
      returning signature.*
    ), v as (
      update challenge set
        status = case when h.challenge_status = 'pending' then 'sent' else challenge.status end,
        provider_challenge_id = case when h.messages = 0 and not ${taken}::boolean then ${sid}
          else challenge.provider_challenge_id end,
        further_message_ids = case when h.effect = 'duplicate' or h.effect = 'sent' and ${taken}::boolean
          then array_append(challenge.further_message_ids, ${sid}) else challenge.further_message_ids end,
        provider_proof = case
          when h.effect = 'duplicate' or h.provider_challenge_id <> ${sid} then challenge.provider_proof
          when ${source === "answer"}::boolean then ${result.providerProof}
          else coalesce(challenge.provider_proof, ${result.providerProof})
        end,
        sent_at = coalesce(challenge.sent_at, least(h.now, greatest(h.challenge_created_at,
          case when ${lookedUp} then ${result.sentAt}::timestamptz else h.now end))),
        lease_until = null,
        feedback_due_at = case when h.effect = 'sent' and h.status = 'completed' then h.now
          else challenge.feedback_due_at end,
        redact_due_at = case when h.effect in ('sent', 'duplicate') and h.closed_at is not null
          then h.now + interval '1 minute' else challenge.redact_due_at end,
        last_look_up_due_at = h.look_up_due_at
      from h where challenge.id = h.challenge_id and h.effect <> 'elsewhere'
      returning challenge.*
    ), w as (
      -- It may be this challenge's all the same: nothing more is sent without the caller's asking.
      update challenge set calls_left = 0
      from h where challenge.id = h.challenge_id and h.effect = 'elsewhere' and h.messages = 0
    )
    select h.effect, ${signatureColumns(sql)} from t, h left join u s on true left join v c on true`;
  return row;
}
