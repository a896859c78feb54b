import postgres from "postgres";
import type { ProviderResult } from "../domain/provider.ts";
import type { Acceptance, AcceptanceSource } from "../domain/stores.ts";
import { erasedPhone } from "./closing.ts";
import { type Database, milliseconds, recordset } from "./database.ts";
import { Gathering, writingPaceMs } from "./gathering.ts";
import {
  challengeParts,
  type SignatureRow,
  signatureColumns,
  signatureParts,
  toSignature,
} from "./snapshot.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

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
  constructor(db: Database, settleMs: number) {
    this.#news = new Gathering((news) => record(db, news, settleMs), { paceMs: writingPaceMs });
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
      select n.*, n.known_by = 'look_up' as looked_up, t.now, s.id, s.status, s.closed_at, s.chain_length, s.chain_head,
        s.phone_sealed is not null as has_phone, c.id as challenge_id, c.status as challenge_status, c.calls,
        c.look_ups, c.provider, c.provider_challenge_id, c.further_message_ids, c.last_look_up_due_at,
        c.created_at as challenge_created_at,
        cardinality(coalesce(c.further_message_ids, '{}'))
          + (c.provider_challenge_id is not null)::int as messages
      from n join challenge c on c.id = n.news_of join signature s on s.id = c.signature_id, t
      order by s.id, n.item
      for update of s, c
    ), f as (
      -- What is told of one signature at the same time is recorded one after the other.
      select l.*, row_number() over (partition by l.id order by l.item) as turn from l
    ), o as (
      select f.*, case
        when f.provider_challenge_id = f.sid or f.sid = any (f.further_message_ids) then 'nothing_new'
        -- No more messages than calls: what a list shows beyond them is some other challenge's.
        when f.looked_up and (f.taken or f.messages >= f.calls) then 'elsewhere'
        when f.messages = 0 then 'sent'
        when not exists (select from event e where e.signature_id = f.id and e.number = f.chain_length)
          then 'stale'
        when exists (select from event e where e.signature_id = f.id and e.type = 'DUPLICATE_SENT'
          and e.details::json ->> 'provider_challenge_id' = f.sid) then 'nothing_new'
        else 'duplicate'
      end as effect
      from f where f.turn = 1
    ), d as (
      select o.*,
        case when o.effect = 'sent' and o.calls > 1 and o.look_ups > 0 and o.has_phone
          then o.now + ${milliseconds(sql, settleMs)} else o.last_look_up_due_at end as look_up_due_at,
        case o.effect
          when 'sent' then case when o.looked_up
            then array['LOOKED_UP', 'CHALLENGE_SENT'] else array['CHALLENGE_SENT'] end
          when 'duplicate' then array['DUPLICATE_SENT']
          else '{}'::text[]
        end as types,
        case when o.effect = 'sent' and o.looked_up
          then array[json_build_object('challenge_id', o.challenge_id, 'found', 'message')::text] else '{}'::text[]
        end || json_build_object('challenge_id', o.challenge_id, 'provider', o.provider,
          'provider_challenge_id', o.sid, 'attempt', o.calls::text, 'known_by', o.known_by)::text as details
      from o
    ), ${appendedEvents(sql)}, u as (
      update signature set
        status = case when signature.status = 'pending' and h.effect = 'sent' then 'challenge_sent'
          else signature.status end,
        ${erasedPhone(sql)}, ${movedChain(sql)}
      from h where signature.id = h.id and h.effect <> 'elsewhere'
      returning ${signatureParts(sql)}
    ), v as (
      update challenge set
        status = case when h.challenge_status = 'pending' then 'sent' else challenge.status end,
        provider_challenge_id = case when h.messages = 0 and not h.taken then h.sid
          else challenge.provider_challenge_id end,
        further_message_ids = case when h.effect = 'duplicate' or h.effect = 'sent' and h.taken
          then array_append(challenge.further_message_ids, h.sid) else challenge.further_message_ids end,
        provider_proof = case
          when h.effect = 'duplicate' or h.provider_challenge_id <> h.sid then challenge.provider_proof
          when h.known_by = 'answer' then h.proof
          else coalesce(challenge.provider_proof, h.proof)
        end,
        sent_at = coalesce(challenge.sent_at, least(h.now, greatest(h.challenge_created_at,
          case when h.looked_up then h.accepted_at else h.now end))),
        lease_until = null,
        feedback_due_at = case when h.effect = 'sent' and h.status = 'completed' then h.now
          else challenge.feedback_due_at end,
        redact_due_at = case when h.effect in ('sent', 'duplicate') and h.closed_at is not null
          then h.now + interval '1 minute' else challenge.redact_due_at end,
        last_look_up_due_at = h.look_up_due_at
      from h where challenge.id = h.challenge_id and h.effect <> 'elsewhere'
      returning ${challengeParts(sql)}
    ), w as (
      -- It may be this challenge's all the same: nothing more is sent without the caller's asking.
      update challenge set calls_left = 0
      from h where challenge.id = h.challenge_id and h.effect = 'elsewhere' and h.messages = 0
    )
    select l.item, coalesce(h.effect, 'stale') as effect, ${signatureColumns(sql)}
    from t, l left join h on h.item = l.item left join u s on s.id = h.id left join v c on c.id = h.challenge_id`;
  const recorded: Recorded[] = news.map(() => undefined);
  for (const row of rows) {
    const { item, effect } = row;
    if (effect === "stale") recorded[item] = effect;
    else recorded[item] = effect === "elsewhere" ? { effect } : { signature: toSignature(row), effect };
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
