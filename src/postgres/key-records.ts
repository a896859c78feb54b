import type { KeyRecord } from "../domain/stores.ts";
import { type Database, recordset } from "./database.ts";
import { type SignatureRow, signatureColumns, toSignature } from "./snapshot.ts";

export interface KeyQuestion {
  readonly caller: string;
  readonly scope: string;
  readonly key: string;
}

type Row = SignatureRow & {
  readonly item: number;
  readonly fingerprint: Buffer;
  readonly fingerprint_key_id: string;
  readonly key_challenge_id: string;
};

/** What idempotency keys are bound to: every refusal asks, so it is asked for many in one statement. */
export async function keyRecords(
  db: Database,
  questions: readonly KeyQuestion[],
): Promise<(KeyRecord | undefined)[]> {
  const { sql } = db;
  const records = questions.map((question, item) => ({ item, ...question }));
  const rows = await sql<Row[]>`
    with ${db.now()}
    select n.item, k.fingerprint, k.fingerprint_key_id, k.challenge_id as key_challenge_id, ${signatureColumns(sql)}
    from t, ${recordset(sql, records)} as n (item integer, caller text, scope text, key text)
    join idempotency_key k on k.caller = n.caller and k.scope = n.scope and k.key = n.key
    join signature s on s.id = k.signature_id
    join challenge c on c.signature_id = s.id and c.number = s.challenges`;
  const found: (KeyRecord | undefined)[] = questions.map(() => undefined);
  for (const row of rows) {
    found[row.item] = {
      fingerprint: row.fingerprint,
      fingerprintKeyId: row.fingerprint_key_id,
      signatureId: row.id,
      challengeId: row.key_challenge_id,
      signature: toSignature(row),
    };
  }
  return found;
}
