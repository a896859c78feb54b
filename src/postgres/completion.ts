import type { Lockout, LockoutRules } from "../domain/limits.ts";
import type { Consent } from "../domain/receipt.ts";
import { openStatuses, type SignatureStatus } from "../domain/signature.ts";
import type { Completion, Verdict } from "../domain/stores.ts";
import { closedChallenges, closedSignature } from "./closing.ts";
import { messagesBefore } from "./consent-receipt.ts";
import { type Database, recordset } from "./database.ts";
import { refusalBy } from "./errors.ts";
import { Gathering, type OnRepeat, writingPaceMs } from "./gathering.ts";
import { blocksOf, freedMessages } from "./guards.ts";
import { blockOf, isLockedOut, judgedCodes, lockoutOf, refusedIfCodeBlocked } from "./lockout.ts";
import {
  challengeParts,
  type SignatureRow,
  signatureColumns,
  signatureParts,
  toSignature,
} from "./snapshot.ts";
import { appendedEvents } from "./timeline.ts";

interface Judgement {
  readonly caller: string;
  readonly signatureId: string;
  readonly verdict: Verdict;
  readonly lockout: LockoutRules;
  readonly consent: Consent | undefined;
}

type Row = SignatureRow & {
  readonly item: number;
  readonly outcome: Completion["outcome"] | "blocked" | "not_yet";
  readonly was: SignatureStatus;
  readonly left: number;
  readonly refusal: string;
  readonly retry_after_ms: number;
  readonly lockout_step: number | null;
  readonly until_freed: boolean | null;
  readonly next_until_freed: boolean | null;
  readonly first_factor: string;
  readonly chain_head: Buffer;
  readonly chain_before: number;
  readonly events: number;
  readonly sids: string[];
};

/** Consumes attempts and acts on verdicts: one statement decides every race. */
export class Completions {
  readonly #db: Database;
  readonly #judgements: Gathering<Judgement, Row | undefined>;

  /** @param feedback whether the provider is to hear that a code was used */
  constructor(db: Database, feedback: boolean, onRepeat: OnRepeat) {
    this.#db = db;
    this.#judgements = new Gathering((judgements) => judge(db, judgements, feedback), {
      kindOf: ({ lockout }) => JSON.stringify(lockout),
      onRepeat: (calls) => onRepeat("complete", calls),
      paceMs: writingPaceMs,
    });
  }

  /** @returns undefined for another caller's */
  async record(judgement: Judgement): Promise<Completion | undefined> {
    // A challenge that was added while the statement waited is only seen by a second run.
    const row = (await this.#judged(judgement)) ?? (await this.#judged(judgement));
    switch (row?.outcome) {
      case "completed":
        return await this.#completed(row);
      case "blocked":
        throw refusalBy(row.refusal, row.retry_after_ms);
      case "rejected":
        return { outcome: "rejected", attemptsRemaining: row.left, lockout: toLockout(row) };
      case "failed":
        return { outcome: "failed", lockout: toLockout(row) };
      case "closed":
        return { outcome: "closed", status: row.was };
      default:
        return undefined;
    }
  }

  /** Codes of one customer are judged one after the other. */
  async #judged(judgement: Judgement): Promise<Row | undefined> {
    for (;;) {
      const row = await this.#judgements.add(judgement);
      if (row?.outcome !== "not_yet") return row;
    }
  }

  async #completed(row: Row): Promise<Completion> {
    const { first_factor: firstFactor, chain_length: chainLength } = row;
    // An event that was committed while this statement waited is in the chain, yet was not to be seen.
    const messageSids =
      row.events === row.chain_before ? row.sids : await this.#messagesBefore(row.id, chainLength);
    const proof = { messageSids, firstFactor, chainHead: row.chain_head.toString("hex"), chainLength };
    return { outcome: "completed", signature: toSignature(row), proof };
  }

  async #messagesBefore(signatureId: string, number: number): Promise<string[]> {
    const { sql } = this.#db;
    const [row] = await sql<{ sids: string[] }[]>`
      select m.sids from ${messagesBefore(sql, sql`${signatureId}::uuid`, sql`${number}::int`)} m`;
    return row?.sids ?? [];
  }
}

async function judge(
  db: Database,
  judgements: readonly Judgement[],
  feedback: boolean,
): Promise<(Row | undefined)[]> {
  const { sql } = db;
  const { lockout } = judgements[0]!;
  const rows = await sql<Row[]>`
    with ${db.now()}, n as materialized (
      select * from ${recordset(sql, judgements.map(toRecord))} as n (
        item integer, signature_of uuid, asked_by text, agrees boolean, wrong text, consent text)
    ), r as (
      select n.item, n.agrees, n.asked_by, n.wrong, n.consent, t.now, s.id, s.status, s.expires_at, s.attempts_remaining,
        s.customer_guards, s.phone_guards, s.first_factor, s.chain_length, s.chain_head, c.id as latest_id, c.calls as latest_calls,
        c.lease_until as latest_lease_until, c.last_look_up_due_at as latest_look_up_due_at,
        (select max(b.until) from ${blocksOf(sql, sql`s.customer_guards`, sql`n.asked_by`)} b where b.until > t.now)
          as blocked_until
      from n join signature s on s.id = n.signature_of and s.caller = n.asked_by
      join challenge c on c.signature_id = s.id and c.number = s.challenges, t
      order by s.id, n.item
      for update of s, c
    ), l as (
      -- The first of each customer: no row of a guard, or of a signature, is changed twice.
      select r.* from r where (
        select true from r e
        where (e.id, e.item) < (r.id, r.item) and (e.id = r.id or e.customer_guards && r.customer_guards) limit 1) is null
    ), ${judgedCodes(sql, lockout)}, o as materialized (
      -- Materialized, or the outcome would be worked out in each place that names it.
      select l.*, case
        when l.status <> all (${openStatuses}::text[]) or l.expires_at <= l.now then 'closed'
        when ${isLockedOut(sql)} then 'blocked'
        when l.agrees then 'completed'
        when l.attempts_remaining <= 1 then 'failed'
        else 'rejected'
      end as outcome
      from l
    ), d as (
      select o.*,
        case o.outcome
          when 'completed' then 'completed' when 'failed' then 'failed' else o.status end as next_status,
        case when o.outcome = 'completed' then 'completed' else 'cancelled' end as next_challenge_status,
        o.attempts_remaining - case when o.outcome in ('failed', 'rejected') then 1 else 0 end as left,
        case when o.outcome in ('completed', 'failed') then o.now end as next_closed_at,
        null::text as next_abort_reason,
        case o.outcome
          when 'completed' then array['SIGNATURE_COMPLETED']
          when 'failed' then array[o.wrong, 'SIGNATURE_FAILED']
          when 'rejected' then array[o.wrong]
          else '{}'::text[]
        end as types,
        case when o.outcome = 'completed'
          then array[(jsonb_build_object('challenge_id', o.latest_id) || coalesce(o.consent::jsonb, '{}')
            || case when coalesce(o.consent::jsonb ->> 'challenge_id', o.latest_id::text) = o.latest_id::text
              then jsonb_build_object('attempt', o.latest_calls::text) else '{}' end)::text]
          else array[
            json_build_object('attempts_remaining', (o.attempts_remaining - 1)::text)::text,
            json_build_object('reason', 'attempts_exhausted', 'challenge_id', o.latest_id,
              'attempt', o.latest_calls::text)::text]
        end as details
      from o
    ), ${appendedEvents(sql)}, u as (
      ${closedSignature(sql)}, attempts_remaining = h.left
      from h where signature.id = h.id and h.outcome not in ('closed', 'blocked')
      returning ${signatureParts(sql)}, signature.chain_head
    ), v as (
      ${closedChallenges(sql, feedback)}
      from h where challenge.signature_id = h.id and h.next_closed_at is not null
      returning ${challengeParts(sql)}
    ), ${freedMessages(sql)}
    select r.item, coalesce(h.outcome, 'not_yet') as outcome, h.left,
      b.refusal, b.retry_after_ms, ${refusedIfCodeBlocked(sql)},
      case when h.status = any (${openStatuses}::text[]) then 'expired' else h.status end as was,
      k.step as lockout_step, k.until_freed, k.next_until_freed,
      h.first_factor, s.chain_head, h.chain_length as chain_before, m.events, m.sids, ${signatureColumns(sql)}
    from t, r left join h on h.item = r.item left join u s on s.id = h.id left join v c on c.id = h.latest_id
      left join lateral ${messagesBefore(sql, sql`h.id`, sql`h.chain_length + 1`)} m on h.outcome = 'completed'
      left join lateral ${lockoutOf(sql, lockout)} k on h.outcome in ('rejected', 'failed')
      left join lateral ${blockOf(sql, lockout)} b on h.outcome = 'blocked'`;
  const judged: (Row | undefined)[] = judgements.map(() => undefined);
  for (const row of rows) judged[row.item] = row;
  return judged;
}

function toLockout({
  lockout_step: step,
  until_freed: now,
  next_until_freed: next,
}: Row): Lockout | undefined {
  return step === null ? undefined : { step, untilFreed: now ? "now" : next ? "next" : "no" };
}

function toRecord({ caller, signatureId, verdict, consent }: Judgement, item: number) {
  return {
    item,
    signature_of: signatureId,
    asked_by: caller,
    agrees: verdict === "match",
    wrong: verdict === "transaction_mismatch" ? "TRANSACTION_MISMATCH" : "CODE_REJECTED",
    consent: consent && completed(consent),
  };
}

/** The details of SIGNATURE_COMPLETED: what its receipt is made of again, should it be lost. */
function completed({ challengeId, receiptKeyId, textDigest }: Consent): string {
  return JSON.stringify({
    challenge_id: challengeId,
    receipt_key_id: receiptKeyId,
    text_digest: textDigest,
  });
}
