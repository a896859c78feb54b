import type { Failure } from "../domain/failure.ts";
import type { StartLimits } from "../domain/limits.ts";
import type { Signature } from "../domain/signature.ts";
import type { Lease, NewChallenge, NewSignature, RequestKey } from "../domain/stores.ts";
import { bytea, type Database, recordset } from "./database.ts";
import { refusalBy } from "./errors.ts";
import {
  countedMessages,
  countedStarts,
  limited,
  refusedIfTooManyMessages,
  refusedIfTooManyStarts,
} from "./guards.ts";
import { carriedLockouts } from "./lockout.ts";
import { appendedEvents } from "./timeline.ts";

export interface Start {
  readonly key: RequestKey;
  readonly signature: NewSignature;
  readonly limits: StartLimits;
}

export interface Started {
  readonly signature: Signature;
  readonly lease: Lease;
}

/**
 * Records new signatures under the same limits, each with its first challenge; undefined for one whose key is
 * taken, and a Failure for one that a limit refuses. Starts of one customer or number MUST NOT come together: a
 * statement counts no row twice. Only a limit that is reached while the statement waits for its row ends all of it.
 */
export async function recordStarts(
  db: Pick<Database, "sql" | "now">,
  starts: readonly Start[],
): Promise<(Started | Failure | undefined)[]> {
  const { sql } = db;
  const { customerPerMinute, phonePer10Minutes } = starts[0]!.limits;
  // The unique index of the keys decides between parallel calls: who inserts the key inserts the rest. All
  // statements take keys and guards in the same order, so that none waits in a circle.
  const rows = await sql<BegunRow[]>`
    with ${db.now()}, n as materialized (
      select * from ${recordset(sql, starts.map(toRecord))} as n (
        caller text, scope text, key text, fingerprint bytea, fingerprint_key_id text, admitted_until timestamptz,
        id uuid, customer_pseudonym bytea, customer_key_id text, customer_guards bytea[], phone_guards bytea[],
        transaction_digest bytea, transaction_sealed bytea, phone_sealed bytea, seal_key_id text, code_nonce bytea,
        code_key_id text, attempts smallint, locale text, first_factor text, life interval, challenge_id uuid,
        channel text, provider text, masked_destination text, brand text, web_otp_host text,
        text_version smallint, amount_pattern text, calls_left smallint,
        lease interval, details text[])
    ), ${limited(sql, customerPerMinute, phonePer10Minutes)}, ${carriedLockouts(sql)}, k as (
      insert into idempotency_key
        (caller, scope, key, fingerprint, fingerprint_key_id, signature_id, challenge_id, created_at)
      select n.caller, n.scope, n.key, n.fingerprint, n.fingerprint_key_id, n.id, n.challenge_id, t.now
      from limited l join n on n.id = l.id, t
      where l.refusal is null
      order by n.caller, n.scope, n.key
      on conflict do nothing
      returning signature_id
    ), q as (
      select n.id, n.caller, n.customer_guards, n.phone_guards, n.admitted_until, n.details
      from k join n on n.id = k.signature_id
    ), ${countedStarts(sql, customerPerMinute)}, ${countedMessages(sql, phonePer10Minutes)}, d as (
      select q.id, 0 as chain_length, ''::bytea as chain_head, t.now, q.details,
        array['SIGNATURE_STARTED', 'CHALLENGE_CREATED'] as types
      from q, t
    ), ${appendedEvents(sql)}, s as (
      insert into signature
        (id, caller, customer_pseudonym, customer_key_id, customer_guards, phone_guards, status, transaction_digest, transaction_sealed,
         phone_sealed, seal_key_id, code_nonce, code_key_id, attempts_remaining, locale, first_factor,
         created_at, expires_at, challenges, chain_length, chain_head, sealed_length)
      select n.id, n.caller, n.customer_pseudonym, n.customer_key_id, n.customer_guards, n.phone_guards, 'pending',
        n.transaction_digest, n.transaction_sealed, n.phone_sealed, n.seal_key_id, n.code_nonce, n.code_key_id,
        n.attempts, n.locale, n.first_factor, h.now, h.now + n.life,
        1, cardinality(h.hashes), h.hashes[cardinality(h.hashes)], 0
      from h join n on n.id = h.id
    ), c as (
      insert into challenge
        (id, signature_id, number, channel, provider, status, masked_destination, brand, web_otp_host, text_version,
         amount_pattern, created_at, calls, calls_left, first_call_at, last_call_at, look_ups, lease_epoch, lease_until, lease_parked)
      select n.challenge_id, n.id, 1, n.channel, n.provider, 'pending', n.masked_destination, n.brand,
        n.web_otp_host, n.text_version, n.amount_pattern, h.now, 1, n.calls_left, h.now, h.now, 0, 1, h.now + n.lease, false
      from h join n on n.id = h.id
    )
    select h.id, h.now as begun_at, cardinality(h.hashes) as version, null as refusal, null::float8 as retry_after_ms,
      ${refusedIfTooManyStarts(sql, customerPerMinute)},
      ${refusedIfTooManyMessages(sql, phonePer10Minutes)}
    from h
    union all
    -- A known key is no new work: it is answered whatever the limits say.
    select l.id, null, null, l.refusal, l.retry_after_ms, null, null from limited l join n on n.id = l.id
    where l.refusal is not null and (
      select true from idempotency_key k where k.caller = n.caller and k.scope = n.scope and k.key = n.key) is null`;
  const answered = new Map(rows.map((row) => [row.id, row]));
  return starts.map(({ signature }) => {
    const row = answered.get(signature.id);
    if (row === undefined) return undefined;
    if (row.refusal !== null) return refusalBy(row.refusal, row.retry_after_ms);
    return {
      signature: begun(signature, row),
      lease: { epoch: 1, durationMs: signature.challenge.leaseMs },
    };
  });
}

interface BegunRow {
  readonly id: string;
  readonly begun_at: Date;
  readonly version: number;
  readonly refusal: string | null;
  readonly retry_after_ms: number;
}

/** What a reader would find now: all that was recorded is known here but the instant. */
function begun(signature: NewSignature, { begun_at, version }: BegunRow): Signature {
  const { id, challenge, transactionDigest, attempts, ttlMs } = signature;
  const expiresAt = new Date(begun_at.getTime() + ttlMs);
  return {
    id,
    status: "pending",
    challenge: {
      id: challenge.id,
      channel: challenge.channel,
      provider: challenge.provider,
      status: "pending",
      maskedDestination: challenge.maskedDestination,
      providerChallengeId: undefined,
      providerProof: undefined,
      providerErrorCode: undefined,
      createdAt: begun_at,
      sentAt: undefined,
      deliveredAt: undefined,
      expiresAt,
      inProgress: true,
    },
    transactionDigest: transactionDigest.toString("hex"),
    attemptsRemaining: attempts,
    createdAt: begun_at,
    expiresAt,
    closedAt: undefined,
    abortReason: undefined,
    version,
  };
}

function toRecord({ key, signature, limits }: Start) {
  const { challenge } = signature;
  return {
    caller: key.caller,
    scope: key.scope,
    key: key.key,
    fingerprint: bytea(key.fingerprint),
    fingerprint_key_id: key.fingerprintKeyId,
    admitted_until: limits.admittedUntil,
    id: signature.id,
    customer_pseudonym: bytea(signature.customerPseudonym),
    customer_key_id: signature.customerKeyId,
    customer_guards: signature.customerGuards.map(bytea),
    phone_guards: signature.phoneGuards.map(bytea),
    transaction_digest: bytea(signature.transactionDigest),
    transaction_sealed: bytea(signature.transactionSealed),
    phone_sealed: bytea(signature.phoneSealed),
    seal_key_id: signature.sealKeyId,
    code_nonce: bytea(signature.codeNonce),
    code_key_id: signature.codeKeyId,
    attempts: signature.attempts,
    locale: signature.locale,
    first_factor: signature.firstFactor,
    life: `${signature.ttlMs} milliseconds`,
    challenge_id: challenge.id,
    channel: challenge.channel,
    provider: challenge.provider,
    masked_destination: challenge.maskedDestination,
    brand: challenge.brand,
    web_otp_host: challenge.webOtpHost,
    text_version: challenge.textVersion,
    amount_pattern: challenge.amountPattern,
    calls_left: challenge.calls - 1,
    lease: `${challenge.leaseMs} milliseconds`,
    details: [
      signatureStarted(key, signature),
      challengeCreated(challenge, Object.values(challenge.textDigests)[0]),
    ],
  };
}

function signatureStarted({ caller }: RequestKey, signature: NewSignature): string {
  return JSON.stringify({
    caller,
    attempts: String(signature.attempts),
    transaction_digest: signature.transactionDigest.toString("hex"),
    first_factor: signature.firstFactor,
    locale: signature.locale,
    life_ms: String(signature.ttlMs),
  });
}

/** The details of CHALLENGE_CREATED. */
export function challengeCreated(challenge: NewChallenge, textDigest?: string): string {
  const { destination } = challenge;
  return JSON.stringify({
    challenge_id: challenge.id,
    channel: challenge.channel,
    provider: challenge.provider,
    masked_destination: challenge.maskedDestination,
    ...(destination && { destination: destination.commitment, destination_key_id: destination.keyId }),
    ...(textDigest !== undefined && { text_digest: textDigest }),
    ...(challenge.orderedBy !== undefined && { ordered_by: challenge.orderedBy }),
  });
}
