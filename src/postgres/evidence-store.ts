import type {
  AuditedSignature,
  CheckpointRound,
  Dossier,
  EvidenceStore,
  FinishedDay,
  MadeCheckpoint,
} from "../domain/evidence-store.ts";
import type { KeyHistory } from "../domain/key-validity.ts";
import type { ReceiptFacts } from "../domain/receipt.ts";
import type { Checkpoint, Seal, SealedChain, SealedDay } from "../domain/seal-statement.ts";
import { readAuditPage } from "./audit-page.ts";
import { addCheckpoint, checkpoints, madeCheckpoints, missingDays, takeDelivery } from "./checkpoints.ts";
import { keepReceipt, missingReceipts, receiptFacts, type SearchedUntil } from "./consent-receipt.ts";
import { type Database, milliseconds } from "./database.ts";
import { readDossier } from "./dossier.ts";
import { keyHistory } from "./key-history.ts";
import { orphanedSeals, sealActs, sealClosed, sealsOf } from "./seals.ts";

const dayMs = 86_400_000;

/** Receipts, seals, checkpoints, what disputes read, and the one way in which any of it ends. */
export class PostgresEvidenceStore implements EvidenceStore {
  readonly #db: Database;
  #searchedUntil: SearchedUntil | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  keepReceipt(signatureId: string, jws: string): Promise<string> {
    return keepReceipt(this.#db, signatureId, jws);
  }

  receiptFacts(signatureId: string): Promise<ReceiptFacts | undefined> {
    return receiptFacts(this.#db, signatureId);
  }

  async missingReceipts(limit: number, keyIds: readonly string[]): Promise<ReceiptFacts[]> {
    const { missing, next } = await missingReceipts(this.#db, limit, keyIds, this.#searchedUntil);
    this.#searchedUntil = next;
    return missing;
  }

  sealClosed(
    limit: number,
    sign: (chains: readonly SealedChain[]) => Promise<Seal[]>,
    only?: string,
  ): Promise<number> {
    return sealClosed(this.#db, limit, sign, only);
  }

  sealActs(sign: (chains: readonly SealedChain[]) => Promise<Seal[]>): Promise<void> {
    return sealActs(this.#db, sign);
  }

  addCheckpoint(
    summarise: (day: FinishedDay) => Promise<SealedDay>,
    sign: (day: SealedDay) => Promise<Checkpoint>,
    known: readonly MadeCheckpoint[],
  ): Promise<CheckpointRound> {
    return addCheckpoint(this.#db, summarise, sign, known);
  }

  keyHistory(): Promise<ReadonlyMap<string, KeyHistory>> {
    return keyHistory(this.#db);
  }

  async timestamps(day: string): Promise<{ sink: string; token: Buffer }[]> {
    const { sql } = this.#db;
    return await sql<{ sink: string; token: Buffer }[]>`
      select sink, token from checkpoint_delivery
      where day = ${day}::date and token is not null and delivered_at is not null order by sink`;
  }

  takeDelivery(sink: string, leaseMs: number): Promise<Checkpoint | undefined> {
    return takeDelivery(this.#db, sink, leaseMs);
  }

  async delivered(sink: string, day: string, token?: Uint8Array): Promise<void> {
    const { sql } = this.#db;
    await sql`
      with ${this.#db.now()}
      update checkpoint_delivery d set delivered_at = t.now, token = ${token === undefined ? null : Buffer.from(token)} from t
      where d.sink = ${sink} and d.day = ${day}::date and d.delivered_at is null`;
  }

  madeCheckpoints(): Promise<MadeCheckpoint[]> {
    return madeCheckpoints(this.#db);
  }

  missingDays(): Promise<string[]> {
    return missingDays(this.#db);
  }

  auditPage(after: string | undefined, limit: number): Promise<AuditedSignature[]> {
    return readAuditPage(this.#db, after, limit);
  }

  checkpoints(): Promise<Checkpoint[]> {
    return checkpoints(this.#db);
  }

  async readSeals(day: string, each: (seals: readonly Seal[]) => void): Promise<void> {
    for await (const seals of sealsOf(this.#db.sql, day)) each(seals);
  }

  orphanedSeals(retentionDays: number, limit: number): Promise<Seal[]> {
    return orphanedSeals(this.#db, retentionDays, limit);
  }

  dossier(signatureId: string): Promise<Dossier | undefined> {
    return readDossier(this.#db, signatureId);
  }

  async removeClosed(retentionDays: number, most: number): Promise<number> {
    const { sql } = this.#db;
    const [row] = await sql<{ removed: number }[]>`
      with ${this.#db.now()}
      select remove_closed_signatures(t.now - ${milliseconds(sql, retentionDays * dayMs)}, ${most}::int) as removed
      from t`;
    return row?.removed ?? 0;
  }
}
