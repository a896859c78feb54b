import type { Fragment, Sql } from "postgres";
import type { Challenge, ChallengeStatus, Channel } from "../domain/challenge.ts";
import type { AbortReason, Signature, SignatureStatus } from "../domain/signature.ts";

/**
 * The version of the signature of the alias `s`. Half a step ahead once its expiry, by the alias `t`, has
 * passed and is not recorded yet: watchers see it at once.
 */
export function versionColumn(sql: Sql): Fragment {
  return sql`
    (s.chain_length + case
      when s.status in ('pending', 'challenge_sent') and s.expires_at <= t.now then 0.5 else 0
    end)::float8 as version`;
}

/** Columns of a challenge as callers see it, from the aliases `s`, `c` and `t`. */
export function challengeColumns(sql: Sql): Fragment {
  return sql`
    c.id as challenge_id, c.channel, c.provider, c.masked_destination, c.provider_challenge_id,
    c.provider_proof, c.provider_error_code, c.created_at as challenge_created_at, c.sent_at, c.delivered_at,
    c.lease_until is not null as in_progress,
    case when c.status in ('pending', 'sent', 'failed', 'delivered')
      and s.status in ('pending', 'challenge_sent') and s.expires_at <= t.now
      then 'expired' else c.status end as challenge_status`;
}

/**
 * Columns of a signature with its latest challenge, from the aliases `s`, `c` and `t`. One that is past
 * its expiry reads as expired, whether the sweeper has come by or not.
 */
export function signatureColumns(sql: Sql): Fragment {
  return sql`
    s.id, s.transaction_digest, s.attempts_remaining, s.created_at, s.expires_at, s.abort_reason, s.chain_length,
    case when s.status in ('pending', 'challenge_sent') and s.expires_at <= t.now
      then 'expired' else s.status end as status,
    case when s.status in ('pending', 'challenge_sent') and s.expires_at <= t.now
      then s.expires_at else s.closed_at end as closed_at,
    ${challengeColumns(sql)}`;
}

/** What `signatureColumns` reads of a signature, for a RETURNING: all of it would be carried through the statement. */
export function signatureParts(sql: Sql): Fragment {
  return sql`
    signature.id, signature.status, signature.transaction_digest, signature.attempts_remaining,
    signature.created_at, signature.expires_at, signature.closed_at, signature.abort_reason, signature.chain_length`;
}

/** What `challengeColumns` reads of a challenge, for a RETURNING. */
export function challengeParts(sql: Sql): Fragment {
  return sql`
    challenge.id, challenge.signature_id, challenge.status, challenge.channel, challenge.provider,
    challenge.masked_destination, challenge.provider_challenge_id, challenge.provider_proof,
    challenge.provider_error_code, challenge.created_at, challenge.sent_at, challenge.delivered_at,
    challenge.lease_until`;
}

export interface ChallengeRow {
  readonly challenge_id: string;
  readonly channel: Channel;
  readonly provider: string;
  readonly challenge_status: ChallengeStatus;
  readonly masked_destination: string;
  readonly provider_challenge_id: string | null;
  readonly provider_proof: string | null;
  readonly provider_error_code: string | null;
  readonly challenge_created_at: Date;
  readonly sent_at: Date | null;
  readonly delivered_at: Date | null;
  readonly in_progress: boolean;
  readonly expires_at: Date;
}

export interface SignatureRow extends ChallengeRow {
  readonly id: string;
  readonly status: SignatureStatus;
  readonly transaction_digest: Buffer;
  readonly attempts_remaining: number;
  readonly created_at: Date;
  readonly closed_at: Date | null;
  readonly abort_reason: AbortReason | null;
  readonly chain_length: number;
}

export function toChallenge(row: ChallengeRow): Challenge {
  return {
    id: row.challenge_id,
    channel: row.channel,
    provider: row.provider,
    status: row.challenge_status,
    maskedDestination: row.masked_destination,
    providerChallengeId: row.provider_challenge_id ?? undefined,
    providerProof: row.provider_proof ?? undefined,
    providerErrorCode: row.provider_error_code ?? undefined,
    createdAt: row.challenge_created_at,
    sentAt: row.sent_at ?? undefined,
    deliveredAt: row.delivered_at ?? undefined,
    expiresAt: row.expires_at,
    inProgress: row.challenge_status === "pending" && row.in_progress,
  };
}

export function toSignature(row: SignatureRow): Signature {
  return {
    id: row.id,
    status: row.status,
    challenge: toChallenge(row),
    transactionDigest: row.transaction_digest.toString("hex"),
    attemptsRemaining: row.attempts_remaining,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    closedAt: row.closed_at ?? undefined,
    abortReason: row.abort_reason ?? undefined,
    version: row.chain_length,
  };
}
