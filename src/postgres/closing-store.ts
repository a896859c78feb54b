import type { AbortReason, SignatureStatus } from "../domain/signature.ts";
import { openStatuses } from "../domain/signature.ts";
import type {
  Abortion,
  BlockRules,
  ClosingStore,
  CodeMaterial,
  Completion,
  Verdict,
} from "../domain/stores.ts";
import { blocked, countedFailure, forgivenFailures } from "./block.ts";
import { closedChallenges, closedSignature } from "./closing.ts";
import type { Database } from "./database.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { appendedEvents } from "./timeline.ts";

/** Ends signatures on the caller's word: one conditional statement decides each race. */
export class PostgresClosingStore implements ClosingStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async codeMaterial(caller: string, signatureId: string): Promise<CodeMaterial | undefined> {
    const { sql } = this.#db;
    type Row = {
      status: SignatureStatus;
      code_nonce: Buffer;
      code_key_id: string;
      transaction_digest: Buffer;
    };
    const [row] = await sql<Row[]>`
      with ${this.#db.now()}
      select s.code_nonce, s.code_key_id, s.transaction_digest,
        case when s.status = any (${openStatuses}::text[]) and s.expires_at <= t.now
          then 'expired' else s.status end as status
      from t, signature s
      where s.id = ${signatureId}::uuid and s.caller = ${caller}`;
    return (
      row && {
        status: row.status,
        codeNonce: row.code_nonce,
        codeKeyId: row.code_key_id,
        transactionDigest: row.transaction_digest,
      }
    );
  }

  async complete(
    caller: string,
    signatureId: string,
    verdict: Verdict,
    block: BlockRules,
  ): Promise<Completion | undefined> {
    // A challenge that was added while this statement waited is only seen by a second run.
    return (
      (await this.#completeOnce(caller, signatureId, verdict, block)) ??
      (await this.#completeOnce(caller, signatureId, verdict, block))
    );
  }

  async #completeOnce(
    caller: string,
    signatureId: string,
    verdict: Verdict,
    block: BlockRules,
  ): Promise<Completion | undefined> {
    const { sql } = this.#db;
    type Row = SignatureRow & {
      outcome: Completion["outcome"];
      was: SignatureStatus;
      left: number;
      blocked_ms: number | null;
    };
    const right = verdict === "match";
    const wrong = verdict === "transaction_mismatch" ? "TRANSACTION_MISMATCH" : "CODE_REJECTED";
    const [row] = await sql<Row[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as latest_id from t, signature s
        join challenge c on c.signature_id = s.id and c.number = s.challenges
        where s.id = ${signatureId}::uuid and s.caller = ${caller}
        for update of s, c
      ), ${countedFailure(sql, !right, block)}, o as (
        select l.*, case
          when l.status <> all (${openStatuses}::text[]) or l.expires_at <= l.now then 'closed'
          when ${blocked(sql, !right, block)} then 'blocked'
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
            then array[json_build_object('challenge_id', o.latest_id)::text]
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
        ${closedChallenges(sql)}
        from h where challenge.signature_id = h.id and h.next_closed_at is not null
        returning challenge.*
      ), ${forgivenFailures(sql)}
      select h.outcome, h.left,
        (select extract(epoch from max(b.blocked_until) - h.now) * 1000 from customer_guard b
          where b.pseudonym = any (h.customer_guards))::float8 as blocked_ms,
        case when h.status = any (${openStatuses}::text[]) then 'expired' else h.status end as was,
        ${signatureColumns(sql)}
      from t, h left join u s on true left join v c on c.id = h.latest_id`;
    if (row === undefined) return undefined;
    switch (row.outcome) {
      case "completed":
        return { outcome: "completed", signature: toSignature(row) };
      case "rejected":
        return { outcome: "rejected", attemptsRemaining: row.left };
      case "failed":
        return { outcome: "failed" };
      case "blocked":
        return { outcome: "blocked", retryAfterMs: Math.max(1, Math.ceil(row.blocked_ms ?? block.blockMs)) };
      case "closed":
        return { outcome: "closed", status: row.was };
    }
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
        select s.*, t.now, c.id as latest_id from t, signature s
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
