import type { Fragment, Sql } from "postgres";
import type { Channel } from "../domain/challenge.ts";
import { firstTextVersion, type TextStyle } from "../domain/message-texts.ts";
import type { ChallengeMaterial } from "../domain/stores.ts";

/** Columns that a challenge's text and destination are made of, from the aliases `s`, `c` and `t`. */
export function materialColumns(sql: Sql): Fragment {
  return sql`
    s.id as signature_id, c.id as challenge_id, c.channel, c.provider, c.lease_epoch, c.calls, c.calls_left,
    c.look_ups, s.chain_length as version, c.brand, c.web_otp_host,
    c.text_version, c.amount_pattern,
    (extract(epoch from t.now - c.first_call_at) * 1000)::float8 as first_call_age_ms,
    (extract(epoch from s.expires_at - t.now) * 1000)::float8 as life_left_ms,
    (extract(epoch from s.expires_at - s.created_at) * 1000)::float8 as life_ms,
    (extract(epoch from s.expires_at - c.created_at) * 1000)::float8 as text_life_ms,
    s.status in ('pending', 'challenge_sent') and s.expires_at > t.now as signature_open,
    c.status = 'pending' as pending,
    s.phone_sealed, s.transaction_sealed, s.seal_key_id, s.code_nonce, s.code_key_id, s.transaction_digest, s.locale`;
}

export interface MaterialRow {
  readonly signature_id: string;
  readonly challenge_id: string;
  readonly channel: Channel;
  readonly provider: string;
  readonly lease_epoch: number;
  readonly version: number;
  readonly calls: number;
  readonly calls_left: number;
  readonly look_ups: number;
  readonly brand: string;
  readonly web_otp_host: string;
  readonly text_version: number | null;
  readonly amount_pattern: string | null;
  readonly first_call_age_ms: number;
  readonly life_left_ms: number;
  readonly life_ms: number;
  readonly text_life_ms: number;
  readonly signature_open: boolean;
  readonly pending: boolean;
  readonly phone_sealed: Buffer | null;
  readonly transaction_sealed: Buffer;
  readonly seal_key_id: string;
  readonly code_nonce: Buffer;
  readonly code_key_id: string;
  readonly transaction_digest: Buffer;
  readonly locale: string;
}

/** How the text of a challenge is made; rows of before there were versions say nothing. */
export function toTextStyle(row: Pick<MaterialRow, "text_version" | "amount_pattern">): TextStyle {
  return { textVersion: row.text_version ?? firstTextVersion, amountPattern: row.amount_pattern ?? "" };
}

export function toMaterial(row: MaterialRow, leaseMs: number, parked = false): ChallengeMaterial {
  return {
    signatureId: row.signature_id,
    challengeId: row.challenge_id,
    channel: row.channel,
    provider: row.provider,
    lease: { epoch: row.lease_epoch, durationMs: leaseMs },
    parked,
    version: row.version,
    calls: row.calls,
    callsLeft: row.calls_left,
    lookUps: row.look_ups,
    firstCallAgeMs: row.first_call_age_ms,
    lifeLeftMs: row.life_left_ms,
    lifeMs: row.life_ms,
    textLifeMs: row.text_life_ms,
    signatureOpen: row.signature_open,
    pending: row.pending,
    phoneSealed: row.phone_sealed,
    transactionSealed: row.transaction_sealed,
    sealKeyId: row.seal_key_id,
    codeNonce: row.code_nonce,
    codeKeyId: row.code_key_id,
    transactionDigest: row.transaction_digest,
    locale: row.locale,
    brand: row.brand,
    webOtpHost: row.web_otp_host,
    ...toTextStyle(row),
  };
}
