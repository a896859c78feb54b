import postgres, { type Fragment, type Sql } from "postgres";

export interface DatabaseOptions {
  readonly url: string;
  /** Connections at most: more than ten are slower on one PostgreSQL, and all replicas share its limit. */
  readonly connections: number;
  /** Tests bind an instant here; undefined leaves the time to PostgreSQL's own clock. */
  readonly clock?: () => Date | undefined;
  /** What else ends with the connections, e.g. a server that was started for them. */
  readonly onClose?: () => Promise<void>;
}

/** A pool of connections, and the one clock that decides leases, expiry, cooldowns and limits. */
export class Database {
  readonly sql: Sql;
  readonly #clock: () => Date | undefined;
  readonly #onClose: () => Promise<void>;

  constructor(options: DatabaseOptions) {
    this.#onClose = options.onClose ?? (() => Promise.resolve());
    this.#clock = options.clock ?? (() => undefined);
    this.sql = postgres(options.url, {
      max: options.connections,
      connect_timeout: 5,
      // A connection is never kept for good: DNS and failover addresses change.
      max_lifetime: 1800,
      connection: {
        application_name: "signature-router",
        // No statement here runs long; a stuck lock must not hold a caller for ever.
        statement_timeout: 10_000,
        lock_timeout: 5_000,
        idle_in_transaction_session_timeout: 10_000,
      },
      // PostgreSQL's notices name tables and rows; the service has its own log.
      onnotice: () => undefined,
      types: { bigint: postgres.BigInt },
    });
  }

  /** The instant of this statement in milliseconds, as a CTE `t(now)`. */
  now(): Fragment {
    return this
      .sql`t as materialized (select coalesce(${this.#clock() ?? null}::timestamptz(3), date_trunc('milliseconds', statement_timestamp())) as now)`;
  }

  async close(): Promise<void> {
    await this.sql.end({ timeout: 5 });
    await this.#onClose();
  }
}

/** A duration parameter in milliseconds as an interval. */
export function milliseconds(sql: Sql, ms: number): Fragment {
  return sql`make_interval(secs => ${ms / 1000}::float8)`;
}

/**
 * A bytea[] parameter as PostgreSQL writes arrays: the driver would take a list of buffers for one bytea,
 * and escape a list of texts character by character.
 */
export function byteaArray(sql: Sql, values: readonly Buffer[]): Fragment {
  const elements = values.map((value) => `"\\\\x${value.toString("hex")}"`);
  return sql`${`{${elements.join(",")}}`}::text::bytea[]`;
}
