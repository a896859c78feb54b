import type { PrefixTraffic, PrefixTrafficStore } from "../domain/pumping.ts";
import type { Database } from "./database.ts";

/** Messages and completions per prefix of numbers, in buckets of ten minutes. */
export class PostgresPrefixTraffic implements PrefixTrafficStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async add(traffic: readonly PrefixTraffic[]): Promise<void> {
    const { sql } = this.#db;
    // In one order for all replicas, so that none waits for another in a circle.
    await sql`
      with ${this.#db.now()}
      insert into prefix_traffic (prefix, since, messages, completions)
      select a.prefix, date_bin('10 minutes', t.now, timestamptz 'epoch'), a.messages, a.completions
      from t, unnest(
        ${traffic.map(({ prefix }) => prefix)}::text[],
        ${traffic.map(({ messages }) => messages)}::int[],
        ${traffic.map(({ completions }) => completions)}::int[]
      ) as a (prefix, messages, completions)
      order by a.prefix
      on conflict (prefix, since) do update set
        messages = prefix_traffic.messages + excluded.messages,
        completions = prefix_traffic.completions + excluded.completions`;
  }

  async suspected(from: { messages: number; completedShare: number }): Promise<PrefixTraffic[]> {
    const { sql } = this.#db;
    return await sql<PrefixTraffic[]>`
      with ${this.#db.now()}
      select prefix, sum(messages)::int as messages, sum(completions)::int as completions
      from t, prefix_traffic
      where since > t.now - interval '1 hour'
      group by prefix
      having sum(messages) >= ${from.messages}::int
        and sum(completions) < sum(messages) * ${from.completedShare}::float8`;
  }
}
