import type { SentTo } from "../domain/stores.ts";
import { type Database, recordset } from "./database.ts";

interface Row {
  readonly item: number;
  readonly signature_id: string;
  readonly provider: string;
  readonly calls: number;
  readonly commitment: string | null;
  readonly key_id: string | null;
}

/**
 * What is on record of where challenges were sent, as CHALLENGE_CREATED keeps it: after the number was erased, too.
 * Undefined for an unknown challenge.
 */
export async function destinationsOf(
  db: Database,
  challengeIds: readonly string[],
): Promise<(SentTo | undefined)[]> {
  const { sql } = db;
  const records = challengeIds.map((id, item) => ({ item, id }));
  const rows = await sql<Row[]>`
    select n.item, c.signature_id, c.provider, c.calls, e.commitment, e.key_id
    from ${recordset(sql, records)} as n (item integer, id uuid)
    join challenge c on c.id = n.id
    left join lateral (
      select e.details::json ->> 'destination' as commitment, e.details::json ->> 'destination_key_id' as key_id
      from event e
      where e.signature_id = c.signature_id and e.type = 'CHALLENGE_CREATED'
        and e.details::json ->> 'challenge_id' = c.id::text
      limit 1
    ) e on true`;
  const found: (SentTo | undefined)[] = challengeIds.map(() => undefined);
  for (const { item, signature_id: signatureId, provider, calls, commitment, key_id: keyId } of rows) {
    const destination = commitment === null || keyId === null ? undefined : { commitment, keyId };
    found[item] = { signatureId, provider, calls, destination };
  }
  return found;
}
