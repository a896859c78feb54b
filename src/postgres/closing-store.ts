import type { LockoutRules } from "../domain/limits.ts";
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
import { closedChallenges, closedSignature } from "./closing.ts";
import { type CodeQuestion, codeMaterials } from "./code-material.ts";
import { Completions } from "./completion.ts";
import type { Database } from "./database.ts";
import { Gathering, type OnRepeat } from "./gathering.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { appendedEvents } from "./timeline.ts";

/** Ends signatures on the caller's word: one conditional statement decides each race. */
export class PostgresClosingStore implements ClosingStore {
  readonly #db: Database;
  readonly #materials: Gathering<CodeQuestion, CodeMaterial | undefined>;
  readonly #completions: Completions;

  /** @param feedback whether the provider is to hear that a code was used */
  constructor(db: Database, feedback: boolean, onRepeat: OnRepeat = () => undefined) {
    this.#db = db;
    this.#materials = new Gathering((questions) => codeMaterials(db, questions));
    this.#completions = new Completions(db, feedback, onRepeat);
  }

  codeMaterial(caller: string, signatureId: string): Promise<CodeMaterial | undefined> {
    return this.#materials.add({ caller, signatureId });
  }

  complete(
    caller: string,
    signatureId: string,
    verdict: Verdict,
    lockout: LockoutRules,
    consent?: Consent,
  ): Promise<Completion | undefined> {
    return this.#completions.record({ caller, signatureId, verdict, lockout, consent });
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
        select s.*, t.now, c.id as latest_id, c.calls as latest_calls, c.lease_until as latest_lease_until,
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
          array[(${details}::text::jsonb || jsonb_build_object('challenge_id', o.latest_id,
            'attempt', o.latest_calls::text))::text] as details
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
