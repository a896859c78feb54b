import { type Database, milliseconds } from "./database.ts";

/** From its grant until a call must have begun (promised by the statement that begins it). */
const lifeMs = 150;
/** Grants of one slot are one entry, so that the row stays short however many replicas ask. */
const slotMs = 10;

interface Asked {
  readonly caller: string;
  readonly asked: number;
  /** Above 0; a fraction below 1 is one call in that many seconds. */
  readonly perSecond: number;
  /** By how much longer than 150 ms they may begin; they count that much longer. */
  readonly extraMs: number;
}

interface Row {
  readonly count: number;
  readonly until: Date;
  readonly retry_after_ms: number;
}

/**
 * Calls granted to replicas in batches, one row per caller. A call begins within its grant's life, so the
 * calls of any second were granted within a second and that life: no such time is granted more than a
 * second's worth. An entry's instant is the end of its slot, which is up to a slot too late.
 */
export class PostgresCallerGrants {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** @returns from none to what was asked for, and until when they may begin */
  async reserve(asked: Asked): Promise<{ count: number; until: Date; retryAfterMs: number }> {
    for (;;) {
      const row = await this.#granted(asked);
      if (row) return { count: row.count, until: row.until, retryAfterMs: row.retry_after_ms };
      await this.#db.sql`
        insert into caller_grants (caller, granted_at, counts) values (${asked.caller}, '{}', '{}')
        on conflict do nothing`;
    }
  }

  async #granted({ caller, asked, perSecond, extraMs }: Asked): Promise<Row | undefined> {
    const { sql } = this.#db;
    const limit = Math.max(1, Math.floor(perSecond));
    const spanMs = Math.max(1000, 1000 / perSecond) + lifeMs + slotMs;
    const slot = milliseconds(sql, slotMs);
    // A lost grant is a call too many a second after a crash of the database, which takes longer to start:
    // the commit need not wait for the disk. Instants never go back, whoever got the row's lock first.
    const [row] = await sql<Row[]>`
      with ${this.#db.now()}, l as (
        select c.caller, c.granted_at, c.counts,
          greatest(date_bin(${slot}, t.now + ${milliseconds(sql, extraMs)}, timestamptz 'epoch') + ${slot},
            c.granted_at[cardinality(c.granted_at)]) as at
        from t, caller_grants c where c.caller = ${caller} for update of c
      ), r as (
        select l.caller, l.at, coalesce(sum(e.count), 0)::int as used,
          coalesce(array_agg(e.at order by e.at) filter (where e.at < l.at), '{}') as instants,
          coalesce(array_agg(e.count order by e.at) filter (where e.at < l.at), '{}') as counts,
          coalesce(sum(e.count) filter (where e.at = l.at), 0)::int as here, min(e.at) as oldest
        from l left join lateral unnest(l.granted_at, l.counts) as e (at, count)
          on e.at > l.at - ${milliseconds(sql, spanMs)}
        group by l.caller, l.at
      ), n as (
        select r.*, greatest(0, least(${asked}::int, ${limit}::int - r.used)) as given from r
      ), u as (
        update caller_grants c
        set granted_at = n.instants || n.at, counts = n.counts || (n.here + n.given)
        from n where c.caller = n.caller and n.given > 0
      )
      select n.given as count, n.at - ${slot} + ${milliseconds(sql, lifeMs)} as until,
        case when n.given < ${asked}::int then extract(epoch from
          greatest(interval '0', coalesce(n.oldest, n.at) + ${milliseconds(sql, spanMs - slotMs)} - t.now)) * 1000 else 0
        end::float8 as retry_after_ms,
        set_config('synchronous_commit', 'off', true)
      from t, n`;
    return row;
  }
}
