import type { ChainedEvent } from "../domain/chain.ts";
import type { ChallengeStatus } from "../domain/challenge.ts";
import type { ChallengeRecord, Dossier } from "../domain/evidence-store.ts";
import type { SignatureStatus } from "../domain/signature.ts";
import { toTextStyle } from "./challenge-material.ts";
import type { Database } from "./database.ts";
import { toCheckpoint, toSeal } from "./seals.ts";
import { type ChallengeRow, challengeColumns, toChallenge } from "./snapshot.ts";

interface SignatureRow {
  readonly now: Date;
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
  readonly transaction_sealed: Buffer;
  readonly seal_key_id: string;
  readonly jws: string | null;
}

type RecordRow = ChallengeRow & {
  readonly calls: number;
  readonly further_message_ids: string[] | null;
  readonly recorded_status: ChallengeStatus;
  readonly brand: string;
  readonly web_otp_host: string;
  readonly text_version: number | null;
  readonly amount_pattern: string | null;
  readonly text_life_ms: number;
};

const toRecord = (row: RecordRow): ChallengeRecord => ({
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

/** Everything that is kept of one signature, in one snapshot. */
export async function readDossier(db: Database, signatureId: string): Promise<Dossier | undefined> {
  const { sql } = db;
  const [signatures, challenges, receipts, events, seals, checkpoints] = await sql.begin(
    "isolation level repeatable read read only",
    (tx) => [
      tx<SignatureRow[]>`
        with ${db.now()}
        select t.now, s.caller, s.status, s.created_at, s.expires_at, s.closed_at, s.abort_reason,
          s.attempts_remaining, s.first_factor, s.locale, s.transaction_digest, s.transaction_sealed,
          s.seal_key_id, r.jws
        from t, signature s left join receipt r on r.signature_id = s.id
        where s.id = ${signatureId}::uuid`,
      tx<RecordRow[]>`
        with ${db.now()}
        select s.expires_at, ${challengeColumns(sql)}, c.status as recorded_status, c.calls,
          c.further_message_ids, c.brand, c.web_otp_host, c.text_version, c.amount_pattern,
          (extract(epoch from s.expires_at - c.created_at) * 1000)::float8 as text_life_ms
        from t, signature s join challenge c on c.signature_id = s.id
        where s.id = ${signatureId}::uuid
        order by c.number`,
      tx<{ challenge_id: string; received_at: Date; parameters: string; proof: string }[]>`
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
    readAt: row.now,
    signatureId,
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
    transactionSealed: row.transaction_sealed,
    sealKeyId: row.seal_key_id,
    challenges: challenges.map(toRecord),
    providerReceipts: receipts.map((receipt) => ({
      challengeId: receipt.challenge_id,
      receivedAt: receipt.received_at,
      parameters: receipt.parameters,
      proof: receipt.proof,
    })),
    events: [...events],
    seals: seals.map(toSeal),
    checkpoints: checkpoints.map(toCheckpoint),
    receipt: row.jws ?? undefined,
  };
}
