import type { KeyHistory } from "../domain/key-validity.ts";
import { type Keys, keyedDigest, type RingName } from "../domain/keys.ts";
import type { Database } from "./database.ts";

/**
 * Remembers keys with a keyed check value, and from when on they are used. Keys that were known before the history was
 * kept have no beginning.
 * @returns keys that the database knows others for, as `ring.id`
 */
export async function rememberKeys(db: Database, keys: Keys): Promise<string[]> {
  const { sql } = db;
  const checks = (Object.keys(keys) as RingName[]).flatMap((ring) =>
    [...keys[ring].keys].map(([id, key]) => ({ ring, id, value: keyedDigest(key, "key-check-v1", ring) })),
  );
  const rings = checks.map((check) => check.ring);
  const ids = checks.map((check) => check.id);
  const values = checks.map((check) => check.value.toString("hex"));
  await sql`
    with ${db.now()}, i as (
      insert into known_key (ring, key_id, check_value)
      select ring, id, decode(value, 'hex')
      from unnest(${rings}::text[], ${ids}::text[], ${values}::text[]) as n (ring, id, value)
      on conflict do nothing
      returning ring, key_id
    )
    insert into key_history (ring, key_id, fact, at) select i.ring, i.key_id, 'used', t.now from i, t
    on conflict do nothing`;
  const retired = [...(keys.receipt.retired ?? new Map()).keys()];
  await sql`
    with ${db.now()}
    insert into key_history (ring, key_id, fact, at)
    select 'receipt', n.id, 'retired', t.now from t, unnest(${retired}::text[]) as n (id)
    on conflict do nothing`;
  const wrong = await sql<{ name: string }[]>`
    select k.ring || '.' || k.key_id as name
    from known_key k join unnest(${rings}::text[], ${ids}::text[], ${values}::text[]) as n (ring, id, value)
      on n.ring = k.ring and n.id = k.key_id
    where k.check_value <> decode(n.value, 'hex')`;
  return wrong.map(({ name }) => name);
}

/** By key id, of the receipt ring. */
export async function keyHistory({ sql }: Database): Promise<Map<string, KeyHistory>> {
  const rows = await sql<{ key_id: string; used: Date | null; retired: Date | null }[]>`
    select key_id, max(at) filter (where fact = 'used') as used, max(at) filter (where fact = 'retired') as retired
    from key_history where ring = 'receipt' group by key_id`;
  return new Map(
    rows.map((row) => [row.key_id, { used: row.used ?? undefined, retired: row.retired ?? undefined }]),
  );
}
