import { type Keys, keyedDigest, type RingName } from "../domain/keys.ts";
import type { Database } from "./database.ts";

/** The database belongs to another kind of installation, or knows another key under one of our ids. */
export class InstallationError extends Error {
  override readonly name = "InstallationError";
}

/**
 * Remembers, from first use on, whether a database is a sandbox's or a live one's and which keys made its
 * rows. A process of the other kind would send real codes to nobody, or play codes to everybody; another
 * key under a known id would make every stored value unreadable.
 * @throws InstallationError naming what does not fit
 */
export async function claimInstallation(
  { sql }: Database,
  kind: "sandbox" | "live",
  keys: Keys,
): Promise<void> {
  await sql`insert into installation (single, kind) values (1, ${kind}) on conflict do nothing`;
  const [installation] = await sql<{ kind: string }[]>`select kind from installation`;
  if (installation?.kind !== kind) {
    throw new InstallationError(
      `this database belongs to a ${installation?.kind} installation, and this process is ${kind}: give it another DATABASE_URL or DATA_DIR`,
    );
  }
  const checks = (Object.keys(keys) as RingName[]).flatMap((ring) =>
    [...keys[ring].keys].map(([id, key]) => ({ ring, id, value: keyedDigest(key, "key-check-v1", ring) })),
  );
  const rings = checks.map((check) => check.ring);
  const ids = checks.map((check) => check.id);
  const values = checks.map((check) => check.value.toString("hex"));
  await sql`
    insert into known_key (ring, key_id, check_value)
    select ring, id, decode(value, 'hex')
    from unnest(${rings}::text[], ${ids}::text[], ${values}::text[]) as t(ring, id, value)
    on conflict do nothing`;
  const wrong = await sql<{ ring: string; key_id: string }[]>`
    select k.ring, k.key_id
    from known_key k join unnest(${rings}::text[], ${ids}::text[], ${values}::text[]) as t(ring, id, value)
      on t.ring = k.ring and t.id = k.key_id
    where k.check_value <> decode(t.value, 'hex')`;
  if (wrong.length > 0) {
    const names = wrong.map((key) => `${key.ring}.${key.key_id}`).join(", ");
    throw new InstallationError(
      `this database knows other keys under the ids ${names}: give the process the keys it had, or another database`,
    );
  }
}
