import type { Database } from "./database.ts";

/** Longest that a call waits for its turn; later instants are not granted. */
const longestWaitMs = 1000;

/**
 * Sending instants shared by all replicas: one row per provider holds the first instant not yet taken
 * (GCRA's theoretical arrival time, without burst).
 */
export class PostgresProviderRate {
  readonly #db: Database;
  readonly #provider: string;
  readonly #intervalMs: number;

  constructor(db: Database, provider: string, perSecond: number) {
    this.#db = db;
    this.#provider = provider;
    this.#intervalMs = 1000 / perSecond;
  }

  async prepare(): Promise<void> {
    await this.#db.sql`
      insert into provider_rate (provider, next_at) values (${this.#provider}, now()) on conflict do nothing`;
  }

  /**
   * Grants 1 to `slots` instants in a row; undefined where none lies within the next second. `next_at` has
   * microseconds: in milliseconds, a rate that does not divide 1000 would drift.
   */
  async reserve(slots: number): Promise<{ slots: number; delayMs: number; intervalMs: number } | undefined> {
    const intervalMs = this.#intervalMs;
    const [granted] = await this.#db.sql<{ slots: number; delay_ms: number }[]>`
      with l as (
        select provider, greatest(next_at, clock_timestamp()) as first_at, clock_timestamp() as now_at
        from provider_rate where provider = ${this.#provider}
        for update
      ), o as (
        select provider, first_at, extract(epoch from first_at - now_at)::float8 * 1000 as delay_ms from l
      ), g as (
        select provider, first_at, delay_ms,
          least(${slots}::int, 1 + floor((${longestWaitMs}::float8 - delay_ms) / ${intervalMs}::float8)::int) as slots
        from o where delay_ms <= ${longestWaitMs}::float8
      )
      update provider_rate r set next_at = g.first_at + g.slots * ${intervalMs}::float8 * interval '1 millisecond'
      from g where r.provider = g.provider
      returning g.slots, greatest(g.delay_ms, 0) as delay_ms`;
    return granted && { slots: granted.slots, delayMs: granted.delay_ms, intervalMs };
  }
}
