import type { SignatureReader } from "../domain/signature-reader.ts";
import type { TimelineType } from "../domain/timeline.ts";
import { type Database, recordset } from "./database.ts";
import {
  type ChallengeRow,
  challengeColumns,
  type SignatureRow,
  signatureColumns,
  toChallenge,
  toSignature,
} from "./snapshot.ts";

export interface Asked {
  readonly caller: string;
  readonly signatureId: string;
}

export type History = NonNullable<Awaited<ReturnType<SignatureReader["history"]>>>;

type Of<Row> = Row & { readonly item: number };

interface EventRow {
  readonly number: number;
  readonly at: Date;
  readonly type: TimelineType;
  readonly details: string;
}

/** Signatures with their challenges, timelines and receipts; undefined for another caller's. */
export async function histories(db: Database, asked: readonly Asked[]): Promise<(History | undefined)[]> {
  const records = asked.map(({ caller, signatureId: id }, item) => ({ item, caller, id }));
  const { sql } = db;
  const mine = () => sql`
    ${recordset(sql, records)} as n (item integer, caller text, id uuid)
    join signature s on s.id = n.id and s.caller = n.caller`;
  // One snapshot for the three reads, sent down one connection without waiting in between.
  const [signatures, challenges, events] = await sql.begin(
    "isolation level repeatable read read only",
    (tx) => [
      tx<Of<SignatureRow & { jws: string | null }>[]>`
        with ${db.now()}
        select n.item, ${signatureColumns(sql)}, r.jws
        from t, ${mine()}
        join challenge c on c.signature_id = s.id and c.number = s.challenges
        left join receipt r on r.signature_id = s.id`,
      tx<Of<ChallengeRow>[]>`
        with ${db.now()}
        select n.item, s.expires_at, ${challengeColumns(sql)}
        from t, ${mine()} join challenge c on c.signature_id = s.id
        order by c.number`,
      tx<Of<EventRow>[]>`
        select n.item, e.number, e.at, e.type, e.details
        from ${mine()} join event e on e.signature_id = s.id
        order by e.number`,
    ],
  );
  const challengesOf = grouped(challenges);
  const eventsOf = grouped(events);
  const found: (History | undefined)[] = asked.map(() => undefined);
  for (const row of signatures) {
    found[row.item] = {
      signature: toSignature(row),
      challenges: (challengesOf.get(row.item) ?? []).map(toChallenge),
      timeline: (eventsOf.get(row.item) ?? []).map(toEvent),
      receipt: row.jws ?? undefined,
    };
  }
  return found;
}

function grouped<Row extends { readonly item: number }>(rows: readonly Row[]): Map<number, Row[]> {
  const groups = new Map<number, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.item);
    if (group === undefined) groups.set(row.item, [row]);
    else group.push(row);
  }
  return groups;
}

function toEvent({ number, at, type, details }: EventRow) {
  return { number, at, type, details: JSON.parse(details) as Record<string, string> };
}
