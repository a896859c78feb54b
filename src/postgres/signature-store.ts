import { Failure } from "../domain/failure.ts";
import type { StartLimits } from "../domain/limits.ts";
import type { Signature, SignatureStatus } from "../domain/signature.ts";
import { openStatuses } from "../domain/signature.ts";
import type {
  ChallengeMaterial,
  KeyRecord,
  Lease,
  NewChallenge,
  NewSignature,
  RequestKey,
  Resend,
  ResendRules,
  SignatureStore,
} from "../domain/stores.ts";
import { type MaterialRow, materialColumns, toMaterial } from "./challenge-material.ts";
import { type Database, milliseconds } from "./database.ts";
import { Gathering, type OnRepeat, writingPaceMs } from "./gathering.ts";
import {
  countedMessages,
  refusedIfBlocked,
  refusedIfNumberBlocked,
  refusedIfTooLate,
  refusedIfTooManyMessages,
} from "./guards.ts";
import { type KeyQuestion, keyRecords } from "./key-records.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";
import { challengeCreated, recordStarts, type Start, type Started } from "./start.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

/** The rows that a start counts in. */
function guardsOf({ customerGuards, phoneGuards }: NewSignature): string[] {
  return [
    ...customerGuards.map((guard) => `c${guard.toString("latin1")}`),
    ...phoneGuards.map((guard) => `p${guard.toString("latin1")}`),
  ];
}

/** Starts signatures and sends their challenges again: what each call does is done in one statement. */
export class PostgresSignatureStore implements SignatureStore {
  readonly #db: Database;
  readonly #starts: Gathering<Start, Started | Failure | undefined>;
  readonly #keys: Gathering<KeyQuestion, KeyRecord | undefined>;

  constructor(db: Database, onRepeat: OnRepeat = () => undefined) {
    this.#db = db;
    this.#starts = new Gathering((starts) => recordStarts(db, starts), {
      kindOf: ({ limits }) => `${limits.customerPerMinute} ${limits.phonePer10Minutes}`,
      rowsOf: ({ signature }) => guardsOf(signature),
      onRepeat: (calls) => onRepeat("start", calls),
      paceMs: writingPaceMs,
    });
    this.#keys = new Gathering((questions) => keyRecords(db, questions), {
      onRepeat: (calls) => onRepeat("find_key", calls),
    });
  }

  async start(
    key: RequestKey,
    signature: NewSignature,
    limits: StartLimits,
  ): Promise<{ signature: Signature; lease: Lease } | undefined> {
    const started = await this.#starts.add({ key, signature, limits });
    if (started instanceof Failure) throw started;
    return started;
  }

  findKey(caller: string, scope: string, key: string): Promise<KeyRecord | undefined> {
    return this.#keys.add({ caller, scope, key });
  }

  async resend(
    key: RequestKey,
    signatureId: string,
    challenge: NewChallenge,
    rules: ResendRules,
  ): Promise<Resend> {
    // A second run sees what a concurrent resend has committed while the first one waited for it.
    return (
      (await this.#resendOnce(key, signatureId, challenge, rules)) ??
      (await this.#resendOnce(key, signatureId, challenge, rules)) ?? { outcome: "not_found" }
    );
  }

  async #resendOnce(
    key: RequestKey,
    signatureId: string,
    challenge: NewChallenge,
    rules: ResendRules,
  ): Promise<Resend | undefined> {
    const { sql } = this.#db;
    type Row = SignatureRow & { outcome: Resend["outcome"]; was: SignatureStatus; retry_after_ms: number };
    const [row] = await sql<Row[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as latest_id, c.status as latest_status, c.calls as latest_calls, c.lease_until,
          case when c.provider_challenge_id is null then null else c.last_call_at end as accepted_at
        from t, signature s
        join challenge c on c.signature_id = s.id and c.number = s.challenges
        where s.id = ${signatureId}::uuid and s.caller = ${key.caller}
        for update of s, c
      ), n as (
        -- The latest challenge as it is locked: the others are read as they were before this statement waited.
        select l.*, e.accepted + case when l.accepted_at is null then 0 else 1 end as accepted,
          greatest(l.accepted_at, e.last_at) + ${milliseconds(sql, rules.cooldownMs)} as again_at
        from l, lateral (
          select count(*) as accepted, max(o.last_call_at) as last_at from challenge o
          where o.signature_id = l.id and o.id <> l.latest_id and o.provider_challenge_id is not null
        ) e
      ), o as (
        select n.*, case
          when exists (select from idempotency_key where caller = ${key.caller} and scope = ${key.scope}
            and key = ${key.key}) then 'replay'
          when n.status <> all (${openStatuses}::text[]) or n.expires_at <= n.now then 'closed'
          when n.lease_until is not null then 'in_flight'
          when n.again_at > n.now then 'too_soon'
          when n.accepted > ${rules.most}::int then 'exhausted'
          else 'created'
        end as outcome
        from n
      ), k as (
        insert into idempotency_key
          (caller, scope, key, fingerprint, fingerprint_key_id, signature_id, challenge_id, created_at)
        select ${key.caller}, ${key.scope}, ${key.key}, ${key.fingerprint}::bytea, ${key.fingerprintKeyId},
          o.id, ${challenge.id}::uuid, o.now
        from o where o.outcome = 'created'
        on conflict do nothing
        returning signature_id
      ), q as (
        select l.caller, l.customer_guards, l.phone_guards, ${rules.admittedUntil ?? null}::timestamptz as admitted_until
        from k join l on l.id = k.signature_id
      ), ${countedMessages(sql, rules.phonePer10Minutes)}, d as (
        select o.*, array['CHALLENGE_SUPERSEDED', 'CHALLENGE_CREATED'] as types, array[
          json_build_object('challenge_id', o.latest_id, 'attempt', o.latest_calls::text)::text,
          (${challengeCreated(challenge)}::text::jsonb || jsonb_strip_nulls(jsonb_build_object('text_digest',
            ${JSON.stringify(challenge.textDigests)}::text::json
              ->> greatest(1, floor(extract(epoch from o.expires_at - o.now) / 60))::int::text)))::text] as details
        from o join k on k.signature_id = o.id
      ), ${appendedEvents(sql)}, x as (
        update challenge set status = 'superseded' from h where challenge.id = h.latest_id
        returning h.now
      ), u as (
        update signature set challenges = signature.challenges + 1, ${movedChain(sql)}
        from h where signature.id = h.id
        returning signature.*
      ), c as (
        insert into challenge
          (id, signature_id, number, channel, provider, status, masked_destination, brand, web_otp_host, text_version,
           amount_pattern, created_at, calls, calls_left, first_call_at, last_call_at, look_ups, lease_epoch, lease_until, lease_parked)
        select ${challenge.id}::uuid, u.id, u.challenges, ${challenge.channel}, ${challenge.provider}, 'pending',
          ${challenge.maskedDestination}, ${challenge.brand}, ${challenge.webOtpHost}, ${challenge.textVersion}::smallint,
          ${challenge.amountPattern}, x.now, 1,
          ${challenge.calls - 1}::int, x.now, x.now, 0, 1, x.now + ${milliseconds(sql, challenge.leaseMs)}, false
        from x, u
        returning *
      )
      select case when o.outcome = 'created' and s.id is null then 'replay' else o.outcome end as outcome,
        case when o.status = any (${openStatuses}::text[]) then 'expired' else o.status end as was,
        greatest(0, extract(epoch from coalesce(
          case when o.outcome = 'in_flight' then o.lease_until else o.again_at end, o.now) - o.now) * 1000)::float8
          as retry_after_ms,
        ${refusedIfTooLate(sql)},
        ${refusedIfBlocked(sql)},
        ${refusedIfNumberBlocked(sql)},
        ${refusedIfTooManyMessages(sql, rules.phonePer10Minutes)},
        ${signatureColumns(sql)}
      from t, o left join u s on true left join c on true`;
    if (row === undefined) return undefined;
    switch (row.outcome) {
      case "created": {
        const lease = { epoch: 1, durationMs: challenge.leaseMs };
        return { outcome: "created", signature: toSignature(row), lease };
      }
      case "closed":
        return { outcome: "closed", status: row.was };
      case "too_soon":
      case "in_flight":
        return { outcome: row.outcome, retryAfterMs: Math.ceil(row.retry_after_ms) };
      default:
        return { outcome: row.outcome };
    }
  }

  async material(caller: string, signatureId: string): Promise<ChallengeMaterial | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<MaterialRow[]>`
      with ${this.#db.now()}
      select ${materialColumns(sql)}
      from t, signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
      where s.id = ${signatureId}::uuid and s.caller = ${caller}`;
    return row && toMaterial(row, 0);
  }
}
