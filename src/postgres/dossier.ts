import type { Fragment, Sql } from "postgres";
import type { ChainedEvent } from "../domain/chain.ts";
import type { ChallengeStatus } from "../domain/challenge.ts";
import type { ChallengeRecord, Dossier, ProviderReceipt } from "../domain/evidence-store.ts";
import type { SignatureStatus } from "../domain/signature.ts";
import { toTextStyle } from "./challenge-material.ts";
import { toCheckpoint } from "./checkpoints.ts";
import type { Database } from "./database.ts";
import { toSeal } from "./seals.ts";
import { type ChallengeRow, challengeColumns, toChallenge } from "./snapshot.ts";

export interface RecordedRow {
  readonly id: string;
  readonly caller: string;
  readonly status: SignatureStatus;
  readonly created_at: Date;
  readonly expires_at: Date;
  readonly closed_at: Date | null;
  readonly abort_reason: string | null;
  readonly attempts_remaining: number;
  readonly first_factor: string;
  readonly locale: string;
  readonly transaction_digest: Buffer;
  readonly jws: string | null;
}

interface SignatureRow extends RecordedRow {
  readonly now: Date;
  readonly transaction_sealed: Buffer;
  readonly seal_key_id: string;
}

/** Columns of a signature as it is recorded, from the aliases `s` and `r`, its receipt. */
export function recordedColumns(sql: Sql): Fragment {
  return sql`
    s.id, s.caller, s.status, s.created_at, s.expires_at, s.closed_at, s.abort_reason, s.attempts_remaining,
    s.first_factor, s.locale, s.transaction_digest, r.jws`;
}

/** Columns of a challenge as it is recorded, from the aliases `s`, `c` and `t`. */
export function recordColumns(sql: Sql): Fragment {
  return sql`
    s.expires_at, ${challengeColumns(sql)}, c.status as recorded_status, c.calls, c.further_message_ids, c.brand,
    c.web_otp_host, c.text_version, c.amount_pattern,
    (extract(epoch from s.expires_at - c.created_at) * 1000)::float8 as text_life_ms`;
}

export type RecordRow = ChallengeRow & {
  readonly calls: number;
  readonly further_message_ids: string[] | null;
  readonly recorded_status: ChallengeStatus;
  readonly brand: string;
  readonly web_otp_host: string;
  readonly text_version: number | null;
  readonly amount_pattern: string | null;
  readonly text_life_ms: number;
};

export const toRecord = (row: RecordRow): ChallengeRecord => ({
  challenge: toChallenge({
    ...row,
    challenge_status: row.recorded_status,
    provider_challenge_id: row.provider_challenge_id ?? row.further_message_ids?.[0] ?? null,
  }),
  calls: row.calls,
  brand: row.brand,
  webOtpHost: row.web_otp_host,
  ...toTextStyle(row),
  textLifeMs: row.text_life_ms,
});

export interface ReportRow {
  readonly challenge_id: string;
  readonly received_at: Date;
  readonly parameters: string;
  readonly proof: string;
}

export const toReport = (row: ReportRow): ProviderReceipt => ({
  challengeId: row.challenge_id,
  receivedAt: row.received_at,
  parameters: row.parameters,
  proof: row.proof,
});

/** What the row of a signature says of it. */
export function toRecorded(row: RecordedRow) {
  return {
    signatureId: row.id,
    caller: row.caller,
    status: row.status,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    closedAt: row.closed_at ?? undefined,
    abortReason: row.abort_reason ?? undefined,
    attemptsRemaining: row.attempts_remaining,
    firstFactor: row.first_factor,
    locale: row.locale,
    transactionDigest: row.transaction_digest.toString("hex"),
    receipt: row.jws ?? undefined,
  };
}

/** Everything that is kept of one signature, in one snapshot. */
export async function readDossier(db: Database, signatureId: string): Promise<Dossier | undefined> {
  const { sql } = db;
  const [signatures, challenges, receipts, events, seals, checkpoints] = await sql.begin(
    "isolation level repeatable read read only",
    (tx) => [
      tx<SignatureRow[]>`
        with ${db.now()}
        select t.now, s.transaction_sealed, s.seal_key_id, ${recordedColumns(sql)}
        from t, signature s left join receipt r on r.signature_id = s.id
        where s.id = ${signatureId}::uuid`,
      tx<RecordRow[]>`
        with ${db.now()}
        select ${recordColumns(sql)}
        from t, signature s join challenge c on c.signature_id = s.id
        where s.id = ${signatureId}::uuid
        order by c.number`,
      tx<ReportRow[]>`
        select p.challenge_id, p.received_at, p.parameters, p.proof
        from challenge c join provider_receipt p on p.challenge_id = c.id
        where c.signature_id = ${signatureId}::uuid
        order by c.number, p.number`,
      tx<ChainedEvent[]>`
        select number, at, type, details, hash from event
        where signature_id = ${signatureId}::uuid order by number`,
      tx<Parameters<typeof toSeal>[0][]>`
        select signature_id, length, head, key_id, signature, sealed_at from seal
        where signature_id = ${signatureId}::uuid order by length`,
      tx<Parameters<typeof toCheckpoint>[0][]>`
        select day::text, seals, digest, previous, key_id, signature from checkpoint
        where day in (
          select (sealed_at at time zone 'UTC')::date from seal where signature_id = ${signatureId}::uuid
        ) order by day`,
    ],
  );
  const [row] = signatures;
  if (row === undefined) return undefined;
  return {
    ...toRecorded(row),
    readAt: row.now,
    transactionSealed: row.transaction_sealed,
    sealKeyId: row.seal_key_id,
    challenges: challenges.map(toRecord),
    providerReceipts: receipts.map(toReport),
    events: [...events],
    seals: seals.map(toSeal),
    checkpoints: checkpoints.map(toCheckpoint),
  };
}
