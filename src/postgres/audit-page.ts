import type { ChainedEvent } from "../domain/chain.ts";
import type { AuditedSignature } from "../domain/evidence-store.ts";
import type { Database } from "./database.ts";
import {
  type RecordedRow,
  type RecordRow,
  type ReportRow,
  recordColumns,
  recordedColumns,
  toRecord,
  toRecorded,
  toReport,
} from "./dossier.ts";
import { toSeal } from "./seals.ts";

type SignatureRow = RecordedRow & {
  readonly chain_length: number;
  readonly chain_head: Buffer;
  readonly sealed_length: number;
};

type Of<Row> = Row & { readonly signature_id: string };

const none = "00000000-0000-0000-0000-000000000000";

/** Signatures after this id with all that an audit compares, in one snapshot; a short statement for each table. */
export async function readAuditPage(
  db: Database,
  after: string | undefined,
  limit: number,
): Promise<AuditedSignature[]> {
  const { sql } = db;
  return await sql.begin("isolation level repeatable read read only", async (tx) => {
    const signatures = await tx<SignatureRow[]>`
      select ${recordedColumns(sql)}, s.chain_length, s.chain_head, s.sealed_length
      from signature s left join receipt r on r.signature_id = s.id
      where s.id > ${after ?? none}::uuid order by s.id limit ${limit}::int`;
    const ids = signatures.map(({ id }) => id);
    const [challenges, reports, events, seals] = await Promise.all([
      tx<Of<RecordRow>[]>`
        with ${db.now()}
        select c.signature_id, ${recordColumns(sql)}
        from t, unnest(${ids}::uuid[]) as n (id) join signature s on s.id = n.id
        join challenge c on c.signature_id = s.id order by c.number`,
      tx<Of<ReportRow>[]>`
        select c.signature_id, p.challenge_id, p.received_at, p.parameters, p.proof
        from unnest(${ids}::uuid[]) as n (id) join challenge c on c.signature_id = n.id
        join provider_receipt p on p.challenge_id = c.id order by c.number, p.number`,
      tx<Of<ChainedEvent>[]>`
        select e.signature_id, e.number, e.at, e.type, e.details, e.hash
        from unnest(${ids}::uuid[]) as n (id) join event e on e.signature_id = n.id order by e.number`,
      tx<Parameters<typeof toSeal>[0][]>`
        select l.signature_id, l.length, l.head, l.key_id, l.signature, l.sealed_at
        from unnest(${ids}::uuid[]) as n (id) join seal l on l.signature_id = n.id order by l.length`,
    ]);
    const [challengesOf, reportsOf] = [bySignature(challenges), bySignature(reports)];
    const [eventsOf, sealsOf] = [bySignature(events), bySignature(seals)];
    return signatures.map((row) => ({
      ...toRecorded(row),
      chainLength: row.chain_length,
      chainHead: row.chain_head,
      sealedLength: row.sealed_length,
      challenges: (challengesOf.get(row.id) ?? []).map(toRecord),
      providerReceipts: (reportsOf.get(row.id) ?? []).map(toReport),
      events: eventsOf.get(row.id) ?? [],
      seals: (sealsOf.get(row.id) ?? []).map(toSeal),
    }));
  });
}

const bySignature = <Row extends { readonly signature_id: string }>(rows: readonly Row[]) =>
  Map.groupBy(rows, (row) => row.signature_id);
