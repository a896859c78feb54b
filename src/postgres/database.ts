import type { Fragment, Sql } from "postgres";
import { connect } from "./connect.ts";
import type { Pooling } from "./pooling.ts";
import { serviceSettings } from "./session.ts";
import { assembledOnce } from "./templates.ts";

export interface DatabaseOptions {
  readonly url: string;
  /** Connections at most: more than ten are slower on one PostgreSQL, and all replicas share its limit. */
  readonly connections: number;
  /** What hands the sessions out; none unless given. */
  readonly pooling?: Pooling;
  /** Tests bind an instant here; undefined leaves the time to PostgreSQL's own clock. */
  readonly clock?: () => Date | undefined;
  /** What else ends with the connections, e.g. a server that was started for them. */
  readonly onClose?: () => Promise<void>;
}

/** The database is known to be away, so that nobody waits for it. */
export class DatabaseAway extends Error {
  override readonly name = "DatabaseAway";
  readonly code = "CONNECTION_ENDED";
}

/**
 * What is said of silence, by the driver and by the kernel. A process that is short of CPU hears it of a server
 * that has long answered.
 */
const silences = ["CONNECT_TIMEOUT", "ETIMEDOUT"];

/** A pool of connections, and the one clock that decides leases, expiry, cooldowns and limits. */
export class Database {
  readonly #open: () => Sql;
  readonly #openProbe: () => Sql;
  /** Undefined while the database is away. */
  #sql: Sql | undefined;
  #probe: Sql | undefined;
  #apart: Sql | undefined;
  readonly #clock: () => Date | undefined;
  readonly #onClose: () => Promise<void>;

  constructor(options: DatabaseOptions) {
    this.#onClose = options.onClose ?? (() => Promise.resolve());
    this.#clock = options.clock ?? (() => undefined);
    // Sessions that other transactions have in between would take the settings to them.
    const settings = options.pooling === "transaction" ? undefined : serviceSettings;
    const open = (connections: number, connectSeconds: number) => (): Sql =>
      assembledOnce(connect(options.url, { connections, connectSeconds, settings }));
    this.#open = open(options.connections, 5);
    // Longer than the watch waits: the driver's verdict does not read first what came in meanwhile.
    this.#openProbe = open(1, 1.5);
    this.#sql = this.#open();
  }

  /** @throws DatabaseAway from `lose` to `find` */
  get sql(): Sql {
    if (this.#sql === undefined) throw new DatabaseAway("the database is away");
    return this.#sql;
  }

  /**
   * Whether the database answers in this time and can be written to, over a connection of its own: a full
   * pool is no outage, and a server that became a standby is one. After a failure it connects anew.
   * "no" is said only of an answer: a refusal, a reset, or a server that cannot be written to.
   */
  async answers(withinMs: number): Promise<"yes" | "no" | "late"> {
    this.#probe ??= this.#openProbe();
    const probe = this.#probe;
    const late = Promise.withResolvers<"late">();
    // What came in while this process was busy is read before the verdict.
    const timer = setTimeout(() => setImmediate(() => late.resolve("late")), withinMs);
    const asked = probe<{ writable: boolean }[]>`
      select current_setting('transaction_read_only') = 'off' as writable`.then(
      ([row]) => (row?.writable === true ? "yes" : "no"),
      (error: unknown) => (isSilence(error) ? "late" : "no"),
    );
    const answer = await Promise.race([asked, late.promise]);
    clearTimeout(timer);
    if (answer !== "yes") {
      this.#probe = undefined;
      void probe.end({ timeout: 0 });
    }
    return answer;
  }

  /** Works over a connection of its own, beside the pool and whoever waits for it; a new one after a failure. */
  async apart<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    this.#apart ??= this.#openProbe();
    const sql = this.#apart;
    try {
      return await work(sql);
    } catch (error) {
      if (this.#apart === sql) this.#apart = undefined;
      void sql.end({ timeout: 0 });
      throw error;
    }
  }

  /**
   * Gives the connections up: calls under way are rejected, and later ones refused at once, until `find`.
   * A connection whose packets vanish would hold its call, and its place in the pool, for a quarter of an hour.
   */
  lose(): void {
    void this.#sql?.end({ timeout: 0 });
    void this.#apart?.end({ timeout: 0 });
    this.#sql = undefined;
    this.#apart = undefined;
  }

  /** The database is back: new connections are made as they are needed. */
  find(): void {
    this.#sql ??= this.#open();
  }

  /** The instant of this statement in milliseconds, as a CTE `t(now)`. */
  now(): Fragment {
    return this
      .sql`t as materialized (select coalesce(${this.#clock() ?? null}::timestamptz(3), date_trunc('milliseconds', statement_timestamp())) as now)`;
  }

  async close(): Promise<void> {
    const beside = [this.#probe, this.#apart].map((sql) => sql?.end({ timeout: 0 }));
    await Promise.all([this.#sql?.end({ timeout: 5 }), ...beside]);
    await this.#onClose();
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof Error && "code" in error && silences.includes(String(error.code));
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

/** A value of a recordset that is read as bytea. */
export function bytea(bytes: Buffer): string {
  return `\\x${bytes.toString("hex")}`;
}

/** A parameter for json_to_recordset, whose columns are the properties of the items. */
export function recordset(sql: Sql, items: readonly Readonly<Record<string, unknown>>[]): Fragment {
  // A text, for the driver would make JSON of the JSON.
  return sql`json_to_recordset(${JSON.stringify(items)}::text::json)`;
}
