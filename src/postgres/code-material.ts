import type { Channel } from "../domain/challenge.ts";
import { openStatuses, type SignatureStatus } from "../domain/signature.ts";
import type { CodeMaterial } from "../domain/stores.ts";
import { toTextStyle } from "./challenge-material.ts";
import { type Database, recordset } from "./database.ts";

export interface CodeQuestion {
  readonly caller: string;
  readonly signatureId: string;
}

interface Row {
  readonly item: number;
  readonly status: SignatureStatus;
  readonly code_nonce: Buffer;
  readonly code_key_id: string;
  readonly transaction_digest: Buffer;
  readonly phone_sealed: Buffer | null;
  readonly seal_key_id: string;
  readonly transaction_sealed: Buffer;
  readonly locale: string;
  readonly challenge_id: string;
  readonly channel: Channel;
  readonly brand: string;
  readonly web_otp_host: string;
  readonly text_version: number | null;
  readonly amount_pattern: string | null;
  readonly text_life_ms: number;
}

/** What the codes of signatures are checked against; undefined for another caller's. */
export async function codeMaterials(
  db: Database,
  questions: readonly CodeQuestion[],
): Promise<(CodeMaterial | undefined)[]> {
  const { sql } = db;
  const records = questions.map(({ caller, signatureId }, item) => ({ item, caller, id: signatureId }));
  const rows = await sql<Row[]>`
    with ${db.now()}
    select n.item, s.code_nonce, s.code_key_id, s.transaction_digest, s.phone_sealed, s.seal_key_id,
      s.transaction_sealed, s.locale, c.id as challenge_id, c.channel, c.brand, c.web_otp_host,
      c.text_version, c.amount_pattern,
      (extract(epoch from s.expires_at - c.created_at) * 1000)::float8 as text_life_ms,
      case when s.status = any (${openStatuses}::text[]) and s.expires_at <= t.now
        then 'expired' else s.status end as status
    from t, ${recordset(sql, records)} as n (item integer, caller text, id uuid)
    join signature s on s.id = n.id and s.caller = n.caller
    join challenge c on c.signature_id = s.id and c.number = s.challenges`;
  const materials: (CodeMaterial | undefined)[] = questions.map(() => undefined);
  for (const row of rows) materials[row.item] = toCodeMaterial(row);
  return materials;
}

function toCodeMaterial(row: Row): CodeMaterial {
  return {
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
      ...toTextStyle(row),
      textLifeMs: row.text_life_ms,
    },
  };
}
