import postgres from "postgres";
import type { ProviderResult } from "../domain/provider.ts";
import type { Acceptance, AcceptanceSource } from "../domain/stores.ts";
import { erasedPhone } from "./closing.ts";
import { type Database, milliseconds, recordset } from "./database.ts";
import { Gathering, type OnRepeat, writingPaceMs } from "./gathering.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { appendedEvents, isoText, movedChain } from "./timeline.ts";

interface News {
  readonly challengeId: string;
  readonly result: ProviderResult;
  readonly source: AcceptanceSource;
}

interface Attempt extends News {
  /** Another challenge has the SID: a look-up is then wrong, and an answer or a receipt still right. */
  readonly taken: boolean;
}

/** Undefined for an unknown challenge; `stale` where others appended events while the statement waited. */
type Recorded = Acceptance | "stale" | undefined;

/**
 * Records that the provider has a message of a challenge, whoever brings the news and whenever. The first SID
 * is the challenge's; another one means that the customer got the text twice. What a receipt recorded earlier
 * is completed, never taken back.
 */
export class Acceptances {
  readonly #news: Gathering<Attempt, Recorded>;

  /** @param settleMs from the acceptance of what was sent again to the next look at the provider's list */
  constructor(db: Database, settleMs: number, onRepeat: OnRepeat) {
    this.#news = new Gathering((news) => record(db, news, settleMs), {
      onRepeat: (calls) => onRepeat("accept", calls),
      paceMs: writingPaceMs,
    });
  }

  async record(news: News): Promise<Acceptance | undefined> {
    let taken = false;
    for (;;) {
      let recorded: Recorded;
      try {
        recorded = await this.#news.add({ ...news, taken });
      } catch (error) {
        if (taken || !isTaken(error)) throw error;
        taken = true;
        continue;
      }
      // The next run sees the events that were appended meanwhile.
      if (recorded !== "stale") return recorded;
    }
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

type Row = SignatureRow & { readonly item: number; readonly effect: Acceptance["effect"] | "stale" };

async function record(db: Database, news: readonly Attempt[], settleMs: number): Promise<Recorded[]> {
  const { sql } = db;
  const rows = await sql<Row[]>`
    with ${db.now()}, n as materialized (
      select * from ${recordset(sql, news.map(toRecord))} as n (
        item integer, news_of uuid, sid text, proof text, known_by text, accepted_at timestamptz, taken boolean)
    ), l as (
      select n.*, n.known_by = 'look_up' as looked_up, t.now, s.id, s.status, s.transaction_digest,
        s.attempts_remaining, s.created_at, s.expires_at, s.closed_at, s.abort_reason, s.chain_length, s.chain_head,
        s.phone_sealed is not null as has_phone, c.id as challenge_id, c.status as challenge_status, c.channel,
        c.provider, c.masked_destination, c.provider_challenge_id, c.provider_proof, c.provider_error_code,
        c.further_message_ids, c.calls, c.look_ups, c.last_look_up_due_at, c.created_at as challenge_created_at,
        c.sent_at, c.delivered_at,
        cardinality(coalesce(c.further_message_ids, '{}'))
          + (c.provider_challenge_id is not null)::int as messages
      from n join challenge c on c.id = n.news_of join signature s on s.id = c.signature_id, t
      order by s.id, n.item
      for update of s, c
    ), o as materialized (
      -- Materialized, or the outcome would be worked out in each place that names it.
      select l.*, case
        -- What is told of one signature at the same time is recorded one after the other.
        when exists (select from l before where before.id = l.id and before.item < l.item) then 'stale'
        when l.provider_challenge_id = l.sid or l.sid = any (l.further_message_ids) then 'nothing_new'
        -- No more messages than calls: what a list shows beyond them is some other challenge's.
        when l.looked_up and (l.taken or l.messages >= l.calls) then 'elsewhere'
        when l.messages = 0 then 'sent'
        when not exists (select from event e where e.signature_id = l.id and e.number = l.chain_length)
          then 'stale'
        when exists (select from event e where e.signature_id = l.id and e.number <= l.chain_length
          and e.type = 'DUPLICATE_SENT' and e.details::json ->> 'provider_challenge_id' = l.sid) then 'nothing_new'
        -- A message more than calls, by its receipt alone: forged. What our own call was answered is true.
        when l.known_by = 'receipt' and l.messages >= l.calls then 'surplus'
        else 'duplicate'
      end as effect
      from l
    ), p as (
      select o.item, o.effect, o.id, o.now, o.chain_length, o.chain_head, o.transaction_digest,
        o.attempts_remaining, o.created_at, o.expires_at, o.closed_at, o.abort_reason, o.challenge_id,
        o.channel, o.provider, o.masked_destination, o.provider_error_code, o.challenge_created_at,
        o.delivered_at, o.calls, o.messages, o.sid, o.known_by, o.looked_up, o.taken,
        -- The answer came after the report that made its message known: its proof tells more.
        o.effect = 'nothing_new' and o.known_by = 'answer' and o.provider_challenge_id = o.sid
          and o.provider_proof <> o.proof as answered_late,
        o.effect = 'sent' and o.status = 'completed' as completed_before,
        case when o.status = 'pending' and o.effect = 'sent' then 'challenge_sent' else o.status end as status,
        case when o.challenge_status = 'pending' then 'sent' else o.challenge_status end as challenge_status,
        case when o.messages = 0 and not o.taken then o.sid else o.provider_challenge_id end
          as provider_challenge_id,
        case when o.effect = 'duplicate' or o.effect = 'sent' and o.taken
          then array_append(o.further_message_ids, o.sid) else o.further_message_ids end as further_message_ids,
        case
          when o.effect = 'duplicate' or o.provider_challenge_id <> o.sid then o.provider_proof
          when o.known_by = 'answer' then o.proof
          else coalesce(o.provider_proof, o.proof)
        end as provider_proof,
        coalesce(o.sent_at, least(o.now, greatest(o.challenge_created_at,
          case when o.looked_up then o.accepted_at else o.now end))) as sent_at,
        case when o.effect = 'sent' and o.calls > 1 and o.look_ups > 0 and o.has_phone
          then o.now + ${milliseconds(sql, settleMs)} else o.last_look_up_due_at end as look_up_due_at
      from o
    ), d as (
      select p.*, case
          when p.effect = 'sent' then case when p.looked_up
            then array['LOOKED_UP', 'CHALLENGE_SENT'] else array['CHALLENGE_SENT'] end
          when p.effect = 'duplicate' then array['DUPLICATE_SENT']
          when p.answered_late then array['PROVIDER_ANSWERED']
          else '{}'::text[]
        end as types,
        case when p.effect = 'sent' and p.looked_up
          then array[json_build_object('challenge_id', p.challenge_id, 'found', 'message')::text] else '{}'::text[]
        end || case p.effect
          when 'sent' then json_strip_nulls(json_build_object('challenge_id', p.challenge_id, 'provider', p.provider,
            'provider_challenge_id', p.sid, 'attempt', p.calls::text, 'known_by', p.known_by,
            'sent_at', ${isoText(sql, sql`p.sent_at`)}, 'provider_proof', p.provider_proof,
            'sid_of_another', case when p.taken then 'true' end))
          when 'duplicate' then json_build_object('challenge_id', p.challenge_id, 'provider', p.provider,
            'provider_challenge_id', p.sid, 'attempt', p.calls::text, 'known_by', p.known_by)
          else json_build_object('challenge_id', p.challenge_id, 'provider', p.provider,
            'provider_challenge_id', p.sid, 'provider_proof', p.provider_proof)
        end::text as details
      from p
    ), ${appendedEvents(sql)}, u as (
      update signature set status = h.status, ${erasedPhone(sql)}, ${movedChain(sql)}
      from h where signature.id = h.id and h.effect in ('sent', 'duplicate', 'nothing_new')
    ), v as (
      update challenge set status = h.challenge_status, provider_challenge_id = h.provider_challenge_id,
        further_message_ids = h.further_message_ids, provider_proof = h.provider_proof, sent_at = h.sent_at,
        lease_until = null,
        feedback_due_at = case when h.completed_before then h.now else challenge.feedback_due_at end,
        redact_due_at = case when h.effect in ('sent', 'duplicate') and h.closed_at is not null
          then h.now + interval '1 minute' else challenge.redact_due_at end,
        last_look_up_due_at = h.look_up_due_at
      from h where challenge.id = h.challenge_id and h.effect in ('sent', 'duplicate', 'nothing_new')
    ), w as (
      -- It may be this challenge's all the same: nothing more is sent without the caller's asking.
      update challenge set calls_left = 0
      from h where challenge.id = h.challenge_id and h.effect = 'elsewhere' and h.messages = 0
    )
    select h.item, h.effect, ${signatureColumns(sql)}
    from t, h, lateral (
      select h.id, h.status, h.transaction_digest, h.attempts_remaining, h.created_at, h.expires_at, h.closed_at,
        h.abort_reason, h.chain_length + cardinality(h.types) as chain_length
    ) s, lateral (
      select h.challenge_id as id, h.challenge_status as status, h.channel, h.provider, h.masked_destination,
        h.provider_challenge_id, h.provider_proof, h.provider_error_code, h.challenge_created_at as created_at,
        h.sent_at, h.delivered_at, null::timestamptz as lease_until
    ) c`;
  const recorded: Recorded[] = news.map(() => undefined);
  for (const row of rows) {
    const { item, effect } = row;
    if (effect === "stale") recorded[item] = effect;
    else if (effect === "elsewhere" || effect === "surplus") recorded[item] = { effect };
    else recorded[item] = { signature: toSignature(row), effect };
  }
  return recorded;
}

function toRecord({ challengeId, result, source, taken }: Attempt, item: number) {
  return {
    item,
    news_of: challengeId,
    sid: result.providerChallengeId,
    proof: result.providerProof,
    known_by: source,
    accepted_at: result.sentAt,
    taken,
  };
}
