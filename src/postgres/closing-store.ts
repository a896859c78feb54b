import type { Channel } from "../domain/challenge.ts";
import type { BlockRules } from "../domain/limits.ts";
import type { Consent } from "../domain/receipt.ts";
import type { AbortReason, SignatureStatus } from "../domain/signature.ts";
import { openStatuses } from "../domain/signature.ts";
import type {
  Abortion,
  ClosingStore,
  CodeMaterial,
  Completion,
  KeptReceipt,
  Verdict,
} from "../domain/stores.ts";
import { blocked, freedMessages, judgedCode, refusedIfCodeBlocked } from "./block.ts";
import { closedChallenges, closedSignature } from "./closing.ts";
import { messagesBefore } from "./consent-receipt.ts";
import type { Database } from "./database.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { appendedEvents } from "./timeline.ts";

/** Ends signatures on the caller's word: one conditional statement decides each race. */
export class PostgresClosingStore implements ClosingStore {
  readonly #db: Database;
  readonly #feedback: boolean;

  /** @param feedback whether the provider is to hear that a code was used */
  constructor(db: Database, feedback: boolean) {
    this.#db = db;
    this.#feedback = feedback;
  }

  async codeMaterial(caller: string, signatureId: string): Promise<CodeMaterial | undefined> {
    const { sql } = this.#db;
    type Row = {
      status: SignatureStatus;
      code_nonce: Buffer;
      code_key_id: string;
      transaction_digest: Buffer;
      phone_sealed: Buffer | null;
      seal_key_id: string;
      transaction_sealed: Buffer;
      locale: string;
      challenge_id: string;
      channel: Channel;
      brand: string;
      web_otp_host: string;
      text_life_ms: number;
    };
    const [row] = await sql<Row[]>`
      with ${this.#db.now()}
      select s.code_nonce, s.code_key_id, s.transaction_digest, s.phone_sealed, s.seal_key_id,
        s.transaction_sealed, s.locale, c.id as challenge_id, c.channel, c.brand, c.web_otp_host,
        (extract(epoch from s.expires_at - c.created_at) * 1000)::float8 as text_life_ms,
        case when s.status = any (${openStatuses}::text[]) and s.expires_at <= t.now
          then 'expired' else s.status end as status
      from t, signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
      where s.id = ${signatureId}::uuid and s.caller = ${caller}`;
    return (
      row && {
        status: row.status,
        codeNonce: row.code_nonce,
        codeKeyId: row.code_key_id,
        transactionDigest: row.transaction_digest,
        phoneSealed: row.phone_sealed,
        sealKeyId: row.seal_key_id,
        transactionSealed: row.transaction_sealed,
        locale: row.locale,
        challenge: {
          id: row.challenge_id,
          channel: row.channel,
          brand: row.brand,
          webOtpHost: row.web_otp_host,
          textLifeMs: row.text_life_ms,
        },
      }
    );
  }

  async complete(
    caller: string,
    signatureId: string,
    verdict: Verdict,
    block: BlockRules,
    consent?: Consent,
  ): Promise<Completion | undefined> {
    // A challenge that was added while this statement waited is only seen by a second run.
    return (
      (await this.#completeOnce(caller, signatureId, verdict, block, consent)) ??
      (await this.#completeOnce(caller, signatureId, verdict, block, consent))
    );
  }

  async #completeOnce(
    caller: string,
    signatureId: string,
    verdict: Verdict,
    block: BlockRules,
    consent: Consent | undefined,
  ): Promise<Completion | undefined> {
    const { sql } = this.#db;
    type Row = SignatureRow & {
      outcome: Completion["outcome"];
      was: SignatureStatus;
      left: number;
      first_factor: string;
      chain_head: Buffer;
      chain_before: number;
      events: number;
      sids: string[];
    };
    const right = verdict === "match";
    const wrong = verdict === "transaction_mismatch" ? "TRANSACTION_MISMATCH" : "CODE_REJECTED";
    const [row] = await sql<Row[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as latest_id, c.lease_until as latest_lease_until,
          c.last_look_up_due_at as latest_look_up_due_at
        from t, signature s
        join challenge c on c.signature_id = s.id and c.number = s.challenges
        where s.id = ${signatureId}::uuid and s.caller = ${caller}
        for update of s, c
      ), ${judgedCode(sql, !right, block)}, o as (
        select l.*, case
          when l.status <> all (${openStatuses}::text[]) or l.expires_at <= l.now then 'closed'
          when ${blocked(sql, block)} then 'blocked'
          when ${right}::boolean then 'completed'
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
            when 'failed' then array[${wrong}::text, 'SIGNATURE_FAILED']
            when 'rejected' then array[${wrong}::text]
            else '{}'::text[]
          end as types,
          case when o.outcome = 'completed'
            then array[coalesce(${consent === undefined ? null : completed(consent)}::text,
              json_build_object('challenge_id', o.latest_id)::text)]
            else array[
              json_build_object('attempts_remaining', (o.attempts_remaining - 1)::text)::text,
              json_build_object('reason', 'attempts_exhausted')::text]
          end as details
        from o
      ), ${appendedEvents(sql)}, u as (
        ${closedSignature(sql)}, attempts_remaining = h.left
        from h where signature.id = h.id and h.outcome not in ('closed', 'blocked')
        returning signature.*
      ), v as (
        ${closedChallenges(sql, this.#feedback)}
        from h where challenge.signature_id = h.id and h.next_closed_at is not null
        returning challenge.*
      ), ${freedMessages(sql)}
      select h.outcome, h.left,
        ${refusedIfCodeBlocked(sql, block)},
        case when h.status = any (${openStatuses}::text[]) then 'expired' else h.status end as was,
        s.first_factor, s.chain_head, h.chain_length as chain_before, m.events, m.sids, ${signatureColumns(sql)}
      from t, h left join u s on true left join v c on c.id = h.latest_id
        left join lateral ${messagesBefore(sql, sql`h.id`, sql`h.chain_length + 1`)} m on h.outcome = 'completed'`;
    if (row === undefined) return undefined;
    switch (row.outcome) {
      case "completed": {
        const { first_factor: firstFactor, chain_length: chainLength } = row;
        // An event that was committed while this statement waited is in the chain, yet was not to be seen.
        const messageSids =
          row.events === row.chain_before ? row.sids : await this.#messagesBefore(signatureId, chainLength);
        const chainHead = row.chain_head.toString("hex");
        const proof = { messageSids, firstFactor, chainHead, chainLength };
        return { outcome: "completed", signature: toSignature(row), proof };
      }
      case "rejected":
        return { outcome: "rejected", attemptsRemaining: row.left };
      case "failed":
        return { outcome: "failed" };
      case "closed":
        return { outcome: "closed", status: row.was };
    }
  }

  async #messagesBefore(signatureId: string, number: number): Promise<string[]> {
    const { sql } = this.#db;
    const [row] = await sql<{ sids: string[] }[]>`
      select m.sids from ${messagesBefore(sql, sql`${signatureId}::uuid`, sql`${number}::int`)} m`;
    return row?.sids ?? [];
  }

  async keepReceipts(receipts: readonly KeptReceipt[]): Promise<void> {
    const { sql } = this.#db;
    const ids = receipts.map(({ signatureId }) => signatureId);
    const texts = receipts.map(({ jws }) => jws);
    await sql`
      insert into receipt (signature_id, jws)
      select * from unnest(${ids}::uuid[], ${texts}::text[])
      on conflict do nothing`;
  }

  async abort(
    caller: string,
    signatureId: string,
    reason: AbortReason | undefined,
    note: string,
  ): Promise<Abortion | undefined> {
    return (
      (await this.#abortOnce(caller, signatureId, reason, note)) ??
      (await this.#abortOnce(caller, signatureId, reason, note))
    );
  }

  async #abortOnce(
    caller: string,
    signatureId: string,
    reason: AbortReason | undefined,
    note: string,
  ): Promise<Abortion | undefined> {
    const { sql } = this.#db;
    const details = JSON.stringify({ ...(reason && { reason }), ...(note !== "" && { note }) });
    type Row = SignatureRow & { outcome: Abortion["outcome"]; was: SignatureStatus };
    const [row] = await sql<Row[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as latest_id, c.lease_until as latest_lease_until,
          c.last_look_up_due_at as latest_look_up_due_at
        from t, signature s
        join challenge c on c.signature_id = s.id and c.number = s.challenges
        where s.id = ${signatureId}::uuid and s.caller = ${caller}
        for update of s, c
      ), o as (
        select l.*, case
          when l.status <> all (${openStatuses}::text[]) or l.expires_at <= l.now then 'closed' else 'aborted'
        end as outcome
        from l
      ), d as (
        select o.*, 'aborted' as next_status, 'cancelled' as next_challenge_status, o.now as next_closed_at,
          ${reason ?? null}::text as next_abort_reason,
          case when o.outcome = 'aborted' then array['SIGNATURE_ABORTED'] else '{}'::text[] end as types,
          array[${details}::text] as details
        from o
      ), ${appendedEvents(sql)}, u as (
        ${closedSignature(sql)}
        from h where signature.id = h.id and h.outcome = 'aborted'
        returning signature.*
      ), v as (
        ${closedChallenges(sql)}
        from h where challenge.signature_id = h.id and h.outcome = 'aborted'
        returning challenge.*
      )
      select h.outcome, case when h.status = any (${openStatuses}::text[]) then 'expired' else h.status end as was,
        ${signatureColumns(sql)}
      from t, h left join u s on true left join v c on c.id = h.latest_id`;
    if (row === undefined) return undefined;
    return row.outcome === "aborted"
      ? { outcome: "aborted", signature: toSignature(row) }
      : { outcome: "closed", status: row.was };
  }
}

/** The details of SIGNATURE_COMPLETED: what its receipt is made of again, should it be lost. */
function completed({ challengeId, receiptKeyId, textDigest }: Consent): string {
  return JSON.stringify({
    challenge_id: challengeId,
    receipt_key_id: receiptKeyId,
    text_digest: textDigest,
  });
}
