import type { ISql } from "postgres";
import type { CheckpointRound, FinishedDay, MadeCheckpoint } from "../domain/evidence-store.ts";
import { type Checkpoint, checkpointHash, type SealedDay } from "../domain/seal-statement.ts";
import { type Database, milliseconds } from "./database.ts";
import { sealsOf } from "./seals.ts";

/** Any number that nothing else in the database locks: "sigcpt" in ASCII. */
const checkpointLock = "126879128907892";

/**
 * A checkpoint waits so long after its day: far longer than a transaction that seals can last, whose every
 * statement and every pause ends after 10 s (database.ts), so that no seal comes in behind it.
 */
const checkpointAfter = "10 minutes";

/** A sweep looks so far back for checkpoints that are gone; an audit looks at all. */
const lookedBack = "40 days";

interface CheckpointRow {
  readonly day: string;
  readonly seals: number;
  readonly digest: Buffer;
  readonly previous: Buffer;
  readonly key_id: string;
  readonly signature: Buffer;
}

export function toCheckpoint({ key_id, ...row }: CheckpointRow): Checkpoint {
  return { ...row, keyId: key_id };
}

export async function checkpoints({ sql }: Database): Promise<Checkpoint[]> {
  const rows = await sql<CheckpointRow[]>`
    select day::text, seals, digest, previous, key_id, signature from checkpoint order by day`;
  return rows.map(toCheckpoint);
}

export async function madeCheckpoints({ sql }: Database): Promise<MadeCheckpoint[]> {
  return await sql<MadeCheckpoint[]>`select day::text, hash from checkpoint_made order by day`;
}

/** Days that must have a checkpoint by now and have none, from the first day of which anything is known. */
export async function missingDays(db: Database): Promise<string[]> {
  const { sql } = db;
  const rows = await sql<{ day: string }[]>`
    with ${db.now()}, f as (
      select least((select min(day) from checkpoint), (select min(day) from checkpoint_made),
        (select min((sealed_at at time zone 'UTC')::date) from seal)) as first
    ), d as (
      select generate_series(f.first,
        ((t.now - ${checkpointAfter}::interval - interval '1 hour') at time zone 'UTC')::date - 1, '1 day')::date as day
      from f, t
    )
    select d.day::text from d where not exists (select from checkpoint c where c.day = d.day) order by d.day`;
  return rows.map(({ day }) => day);
}

interface Standing {
  /** The first finished day that never had a checkpoint; null where none is due. */
  readonly due: string | null;
  readonly latest: string | null;
  readonly missing: string[];
}

/**
 * Which day is due, as the rows say and what is known beside them: a day that had a checkpoint once never gets
 * another, or whoever removes one would have it made again over what they left.
 */
async function standing(db: Database, sql: ISql, known: readonly MadeCheckpoint[]): Promise<Standing> {
  const days = known.map(({ day }) => day);
  const [row] = await sql<Standing[]>`
    with ${db.now()}, m as (
      select day from checkpoint_made
      where day > ((select now from t) at time zone 'UTC')::date - ${lookedBack}::interval
      union select unnest(${days}::date[])
    ), l as (
      select greatest((select max(day) from checkpoint), (select max(day) from m)) as day
    ), d as (
      select l.day as latest, coalesce(l.day + 1,
        (select min((sealed_at at time zone 'UTC')::date) from seal)) as day
      from l
    )
    select d.latest::text,
      case when (d.day + 1)::timestamp at time zone 'UTC' + ${checkpointAfter}::interval <= t.now
        then d.day::text end as due,
      array(select m.day::text from m where not exists (select from checkpoint c where c.day = m.day)
        order by 1) as missing
    from t, d`;
  return row ?? { due: null, latest: null, missing: [] };
}

/** The hash of a day's checkpoint, from its row or, where that is gone, from what is known of it. */
async function hashOf(sql: ISql, day: string | null, known: readonly MadeCheckpoint[]): Promise<Buffer> {
  const [row] = await sql<CheckpointRow[]>`
    select day::text, seals, digest, previous, key_id, signature from checkpoint where day = ${day}::date`;
  if (row !== undefined) return checkpointHash(toCheckpoint(row));
  const [made] = await sql<
    MadeCheckpoint[]
  >`select day::text, hash from checkpoint_made where day = ${day}::date`;
  return made?.hash ?? known.find((one) => one.day === day)?.hash ?? checkpointHash(undefined);
}

export async function addCheckpoint(
  db: Database,
  summarise: (day: FinishedDay) => Promise<SealedDay>,
  sign: (day: SealedDay) => Promise<Checkpoint>,
  known: readonly MadeCheckpoint[],
): Promise<CheckpointRound> {
  const { due, missing } = await standing(db, db.sql, known);
  if (due === null) return { made: undefined, missing };
  const sealed = await whereDue(db, known, (tx, day, previous) =>
    summarise({ day, previous, seals: sealsOf(tx, day) }),
  );
  // Signed with no connection held; whoever stores a checkpoint first has made it.
  const made = sealed && (await sign(sealed));
  const stored = await whereDue(db, known, async (tx, day, previous) => {
    if (made?.day !== day || !made.previous.equals(previous)) return undefined;
    await tx`
      insert into checkpoint (day, seals, digest, previous, key_id, signature)
      values (${made.day}::date, ${made.seals}, ${made.digest}, ${made.previous}, ${made.keyId}, ${made.signature})`;
    await tx`insert into checkpoint_made (day, hash) values (${made.day}::date, ${checkpointHash(made)})`;
    return made;
  });
  return { made: stored, missing };
}

/** Calls with the day that is due, under the lock that keeps replicas apart; undefined where another one is at it. */
async function whereDue<Result>(
  db: Database,
  known: readonly MadeCheckpoint[],
  act: (tx: ISql, day: string, previous: Buffer) => Promise<Result | undefined>,
): Promise<Result | undefined> {
  return (await db.sql.begin(async (tx) => {
    const [lock] = await tx<{ held: boolean }[]>`
      select pg_try_advisory_xact_lock(${checkpointLock}::bigint) as held`;
    // Asked again under the lock: another replica may have added it just now.
    const { due: day, latest } = lock?.held ? await standing(db, tx, known) : { due: null, latest: null };
    return day === null ? undefined : await act(tx, day, await hashOf(tx, latest, known));
  })) as Result | undefined;
}

/**
 * The oldest that a place has not got, taken for a while: two replicas never deliver one at the same time, and what a
 * crash left undelivered is taken by another.
 */
export async function takeDelivery(
  db: Database,
  sink: string,
  leaseMs: number,
): Promise<Checkpoint | undefined> {
  const { sql } = db;
  const [row] = await sql<CheckpointRow[]>`
    with ${db.now()}, n as materialized (
      select c.day from checkpoint c
      where not exists (select from checkpoint_delivery d
        where d.sink = ${sink} and d.day = c.day and d.delivered_at is not null)
      order by c.day limit 1
    ), k as (
      insert into checkpoint_delivery (sink, day, taken_until)
      select ${sink}, n.day, t.now + ${milliseconds(sql, leaseMs)} from n, t
      on conflict (sink, day) do update set taken_until = excluded.taken_until
        where checkpoint_delivery.delivered_at is null and checkpoint_delivery.taken_until <= (select now from t)
      returning day
    )
    select c.day::text, c.seals, c.digest, c.previous, c.key_id, c.signature
    from k join checkpoint c on c.day = k.day`;
  return row && toCheckpoint(row);
}
