import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { TimelineType } from "../domain/timeline.ts";
import type { Database } from "./database.ts";
import {
  type ChallengeRow,
  challengeColumns,
  type SignatureRow,
  signatureColumns,
  toChallenge,
  toSignature,
  versionColumn,
} from "./snapshot.ts";

interface EventRow {
  readonly number: number;
  readonly at: Date;
  readonly type: TimelineType;
  readonly details: string;
}

/** Reads signatures for their callers; another caller's does not exist. */
export class PostgresSignatureReader implements SignatureReader {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
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

  async history(caller: string, signatureId: string): ReturnType<SignatureReader["history"]> {
    const { sql } = this.#db;
    // One snapshot for the three reads, sent down one connection without waiting in between.
    const [signatures, challenges, events] = await sql.begin(
      "isolation level repeatable read read only",
      (tx) => [
        tx<(SignatureRow & { jws: string | null })[]>`
        with ${this.#db.now()}
        select ${signatureColumns(sql)}, r.jws
        from t, signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
        left join receipt r on r.signature_id = s.id
        where s.id = ${signatureId}::uuid and s.caller = ${caller}`,
        tx<ChallengeRow[]>`
        with ${this.#db.now()}
        select s.expires_at, ${challengeColumns(sql)}
        from t, signature s join challenge c on c.signature_id = s.id
        where s.id = ${signatureId}::uuid and s.caller = ${caller}
        order by c.number`,
        tx<EventRow[]>`
        select e.number, e.at, e.type, e.details
        from event e join signature s on s.id = e.signature_id
        where s.id = ${signatureId}::uuid and s.caller = ${caller}
        order by e.number`,
      ],
    );
    const [row] = signatures;
    if (row === undefined) return undefined;
    return {
      signature: toSignature(row),
      challenges: challenges.map(toChallenge),
      timeline: events.map((event) => ({
        number: event.number,
        at: event.at,
        type: event.type,
        details: JSON.parse(event.details) as Record<string, string>,
      })),
      receipt: row.jws ?? undefined,
    };
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
