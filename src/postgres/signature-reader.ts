import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { Database } from "./database.ts";
import { Gathering } from "./gathering.ts";
import { type Asked, type History, histories } from "./history.ts";
import { type SignatureRow, signatureColumns, toSignature, versionColumn } from "./snapshot.ts";

/** Reads signatures for their callers; another caller's does not exist. */
export class PostgresSignatureReader implements SignatureReader {
  readonly #db: Database;
  readonly #histories: Gathering<Asked, History | undefined>;

  constructor(db: Database) {
    this.#db = db;
    this.#histories = new Gathering((asked) => histories(db, asked));
  }

  async get(caller: string, signatureId: string): Promise<Signature | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<SignatureRow[]>`
      with ${this.#db.now()}
      select ${signatureColumns(sql)}
      from t, signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
      where s.id = ${signatureId}::uuid and s.caller = ${caller}`;
    return row && toSignature(row);
  }

  history(caller: string, signatureId: string): ReturnType<SignatureReader["history"]> {
    return this.#histories.add({ caller, signatureId });
  }

  async versions(signatureIds: readonly string[]): Promise<Map<string, number>> {
    const { sql } = this.#db;
    const rows = await sql<{ id: string; version: number }[]>`
      with ${this.#db.now()}
      select s.id, ${versionColumn(sql)}
      from t, signature s where s.id = any (${signatureIds as string[]}::uuid[])`;
    return new Map(rows.map((row) => [row.id, row.version]));
  }
}
