import type { ISql } from "postgres";
import { actLogId } from "../domain/operator-act.ts";
import type { Seal, SealedChain } from "../domain/seal-statement.ts";
import { byteaArray, type Database } from "./database.ts";

const sealsPerRead = 1000;

interface SealRow {
  readonly signature_id: string;
  readonly length: number;
  readonly head: Buffer;
  readonly key_id: string;
  readonly signature: Buffer;
  readonly sealed_at: Date;
}

interface DatedSeal extends SealRow {
  readonly day: string;
}

export function toSeal(row: SealRow): Seal {
  return {
    signatureId: row.signature_id,
    length: row.length,
    head: row.head,
    keyId: row.key_id,
    signature: row.signature,
    sealedAt: row.sealed_at,
  };
}

/** Far shorter than a checkpoint waits for the seals of its day (checkpoints.ts). */
const signedWithin = "1 minute";

/**
 * Reads, has signed, and stores what no other replica has stored meanwhile: no connection is held while a key on
 * another machine signs. A chain that grew in between is sealed again, at its new length.
 */
export async function sealClosed(
  db: Database,
  limit: number,
  sign: (chains: readonly SealedChain[]) => Promise<Seal[]>,
  only: string | undefined,
): Promise<number> {
  const { sql } = db;
  // No `exists`: within an `or`, of a plan that is made while tables are small, it reads all receipts for each batch.
  const rows = await sql<{ id: string; chain_length: number; chain_head: Buffer; now: Date }[]>`
    with ${db.now()}
    select s.id, s.chain_length, s.chain_head, t.now
    from t, signature s
    where s.closed_at is not null and s.sealed_length < s.chain_length
      and (s.status <> 'completed' or (select true from receipt r where r.signature_id = s.id))
      and ${only === undefined ? sql`true` : sql`s.id = ${only}::uuid`}
    order by s.closed_at
    limit ${limit}::int`;
  const [first] = rows;
  if (first === undefined) return 0;
  const seals = await sign(
    rows.map((row) => ({
      signatureId: row.id,
      length: row.chain_length,
      head: row.chain_head,
      sealedAt: row.now,
    })),
  );
  const [stored] = await sql<{ count: number }[]>`
    with ${db.now()}, x as materialized (
      select * from unnest(
        ${seals.map((seal) => seal.signatureId)}::uuid[], ${seals.map((seal) => seal.length)}::int[],
        ${byteaArray(
          sql,
          seals.map((seal) => seal.head),
        )}, ${seals.map((seal) => seal.keyId)}::text[],
        ${byteaArray(
          sql,
          seals.map((seal) => seal.signature),
        )}
      ) as x (id, length, head, key_id, signature)
    ), l as materialized (
      select x.* from t, x join signature s on s.id = x.id
      where s.sealed_length < x.length and t.now < ${first.now}::timestamptz + ${signedWithin}::interval
      order by s.id
      for update of s
    ), i as (
      insert into seal (signature_id, length, head, key_id, signature, sealed_at)
      select id, length, head, key_id, signature, ${first.now}::timestamptz from l
    ), u as (
      update signature s set sealed_length = l.length from l where s.id = l.id
    )
    select count(*)::int as count from l`;
  return stored?.count ?? 0;
}

/** As those of signatures: whoever takes entries off the end of the log contradicts a seal. */
export async function sealActs(
  db: Database,
  sign: (chains: readonly SealedChain[]) => Promise<Seal[]>,
): Promise<void> {
  const { sql } = db;
  const [chain] = await sql<{ length: number; head: Buffer; now: Date }[]>`
    with ${db.now()}
    select a.number as length, a.hash as head, t.now
    from t, (select number, hash from operator_act order by number desc limit 1) a
    where a.number > coalesce((select max(length) from seal where signature_id = ${actLogId}::uuid), 0)`;
  if (chain === undefined) return;
  const { length, head, now: sealedAt } = chain;
  const [seal] = await sign([{ signatureId: actLogId, length, head, sealedAt }]);
  if (seal === undefined) return;
  await sql`
    with ${db.now()}
    insert into seal (signature_id, length, head, key_id, signature, sealed_at)
    select ${actLogId}::uuid, ${length}::int, ${head}, ${seal.keyId}, ${seal.signature}, ${sealedAt}::timestamptz
    from t where t.now < ${sealedAt}::timestamptz + ${signedWithin}::interval
    on conflict do nothing`;
}

/** Sorts before every seal of a day. */
const firstSeal = { signature_id: actLogId, length: 0 };

/**
 * The seals of a day in the order of its tree, a page for each statement: none of them runs long, however many
 * there are. A finished day does not change between two pages.
 * @param sql the pool, or the connection of a transaction
 */
export async function* sealsOf(sql: ISql, day: string): AsyncIterable<readonly Seal[]> {
  let last: Pick<SealRow, "signature_id" | "length"> = firstSeal;
  for (;;) {
    const rows: SealRow[] = await sql<SealRow[]>`
      select signature_id, length, head, key_id, signature, sealed_at from seal
      where (sealed_at at time zone 'UTC')::date = ${day}::date
        and (signature_id, length) > (${last.signature_id}::uuid, ${last.length}::int)
      order by signature_id, length
      limit ${sealsPerRead}::int`;
    if (rows.length > 0) yield rows.map(toSeal);
    if (rows.length < sealsPerRead) return;
    last = rows.at(-1)!;
  }
}

/** Page by page, as the seals of a day, from the first day on whose signatures have to be there. */
export async function orphanedSeals(db: Database, retentionDays: number, limit: number): Promise<Seal[]> {
  const { sql } = db;
  const orphans: Seal[] = [];
  let last: DatedSeal | undefined;
  while (orphans.length < limit) {
    // No `exists`: as a column it may be planned to read all signatures for each page.
    const rows: (DatedSeal & { orphaned: boolean })[] = await sql<(DatedSeal & { orphaned: boolean })[]>`
      with ${db.now()}, since as materialized (
        select t.now - make_interval(secs => ${retentionDays * 86_400 * 0.9}::float8) as instant from t
      ), page as materialized (
        select (l.sealed_at at time zone 'UTC')::date as day, l.*
        from seal l
        where ((l.sealed_at at time zone 'UTC')::date, l.signature_id, l.length) > (
          coalesce(${last?.day ?? null}::date, (select (instant at time zone 'UTC')::date from since)),
          ${(last ?? firstSeal).signature_id}::uuid, ${(last ?? firstSeal).length}::int)
        order by (l.sealed_at at time zone 'UTC')::date, l.signature_id, l.length
        limit ${sealsPerRead}::int
      ), compared as materialized (
        select p.*, p.sealed_at > (select instant from since)
          and p.signature_id <> ${actLogId}::uuid and (select true from signature s where s.id = p.signature_id) is null as orphaned
        from page p
      ), next_page as (
        select day, signature_id, length from page order by day desc, signature_id desc, length desc limit 1
      )
      select day::text, signature_id, length, head, key_id, signature, sealed_at, orphaned
      from compared
      where orphaned or (day, signature_id, length) = (select day, signature_id, length from next_page)
      order by compared.day, signature_id, length`;
    orphans.push(...rows.filter((row) => row.orphaned).map(toSeal));
    last = rows.at(-1);
    if (last === undefined) break;
  }
  return orphans.slice(0, limit);
}
