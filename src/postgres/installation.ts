import type { Keys } from "../domain/keys.ts";
import type { Database } from "./database.ts";
import { rememberKeys } from "./key-history.ts";

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
export async function claimInstallation(db: Database, kind: "sandbox" | "live", keys: Keys): Promise<void> {
  const { sql } = db;
  await sql`insert into installation (single, kind) values (1, ${kind}) on conflict do nothing`;
  const [installation] = await sql<{ kind: string }[]>`select kind from installation`;
  if (installation?.kind !== kind) {
    throw new InstallationError(
      `this database belongs to a ${installation?.kind} installation, and this process is ${kind}: give it another DATABASE_URL or DATA_DIR`,
    );
  }
  const wrong = await rememberKeys(db, keys);
  if (wrong.length > 0) {
    const names = wrong.join(", ");
    throw new InstallationError(
      `this database knows other keys under the ids ${names}: give the process the keys it had, or another database`,
    );
  }
}
