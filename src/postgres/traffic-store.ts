import type {
  CallerTraffic,
  PrefixTraffic,
  Suspects,
  suspicions,
  Traffic,
  TrafficStore,
} from "../domain/pumping.ts";
import type { Database } from "./database.ts";

/** Messages and completions per prefix of numbers, and per caller, in buckets of ten minutes. */
export class PostgresTrafficStore implements TrafficStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async add(prefixes: readonly PrefixTraffic[], callers: readonly CallerTraffic[]): Promise<void> {
    const { sql } = this.#db;
    // In one order for all replicas, so that none waits for another in a circle.
    await sql`
      with ${this.#db.now()}, added_callers as (
        insert into caller_traffic (caller, since, messages, completions)
        select a.caller, date_bin('10 minutes', t.now, timestamptz 'epoch'), a.messages, a.completions
        from t, unnest(
          ${callers.map(({ caller }) => caller)}::text[],
          ${callers.map(({ messages }) => messages)}::int[],
          ${callers.map(({ completions }) => completions)}::int[]
        ) as a (caller, messages, completions)
        order by a.caller
        on conflict (caller, since) do update set
          messages = caller_traffic.messages + excluded.messages,
          completions = caller_traffic.completions + excluded.completions
      )
      insert into prefix_traffic (prefix, since, messages, completions, country)
      select a.prefix, date_bin('10 minutes', t.now, timestamptz 'epoch'), a.messages, a.completions, a.country
      from t, unnest(
        ${prefixes.map(({ prefix }) => prefix)}::text[],
        ${prefixes.map(({ messages }) => messages)}::int[],
        ${prefixes.map(({ completions }) => completions)}::int[],
        ${prefixes.map(({ country }) => country)}::text[]
      ) as a (prefix, messages, completions, country)
      order by a.prefix
      on conflict (prefix, since) do update set
        messages = prefix_traffic.messages + excluded.messages,
        completions = prefix_traffic.completions + excluded.completions,
        country = excluded.country`;
  }

  async suspects({ prefix, smallPrefixes, caller }: typeof suspicions): Promise<Suspects> {
    const { sql } = this.#db;
    const [least, share] = [
      prefix.map(({ messages }) => messages),
      prefix.map(({ completedShare }) => completedShare),
    ];
    const rows = await sql<({ kind: keyof Suspects; name: string; country: string } & Traffic)[]>`
      with ${this.#db.now()}, prefix_sum as (
        select p.prefix, max(p.country) as country,
          sum(p.messages)::int as messages, sum(p.completions)::int as completions
        from t, prefix_traffic p where p.since > t.now - interval '1 hour'
        group by p.prefix
      ), suspected_prefix as (
        select s.* from prefix_sum s
        where exists (
          select from unnest(${least}::int[], ${share}::float8[]) as bound (messages, completed_share)
          where s.messages >= bound.messages and s.completions < s.messages * bound.completed_share)
      ), suspected_country as (
        select s.country, sum(s.messages)::int as messages, sum(s.completions)::int as completions
        from prefix_sum s
        where s.messages < ${Math.min(...least)}::int and s.country <> 'home'
        group by s.country
        having sum(s.messages) >= ${smallPrefixes.messages}::int
          and sum(s.completions) < sum(s.messages) * ${smallPrefixes.completedShare}::float8
      ), suspected_caller as (
        select c.caller, sum(c.messages)::int as messages, sum(c.completions)::int as completions
        from t, caller_traffic c where c.since > t.now - interval '1 hour'
        group by c.caller
        having sum(c.messages) >= ${caller.messages}::int
          and sum(c.completions) < sum(c.messages) * ${caller.completedShare}::float8
      )
      select 'prefixes' as kind, prefix as name, coalesce(country, '') as country, messages, completions
      from suspected_prefix
      union all
      select 'countries', country, country, messages, completions from suspected_country
      union all
      select 'callers', caller, '', messages, completions from suspected_caller`;
    const of = (wanted: keyof Suspects) => rows.filter(({ kind }) => kind === wanted);
    const sums = ({ messages, completions }: Traffic) => ({ messages, completions });
    return {
      prefixes: of("prefixes").map((row) => ({ prefix: row.name, country: row.country, ...sums(row) })),
      countries: of("countries").map((row) => ({ country: row.name, ...sums(row) })),
      callers: of("callers").map((row) => ({ caller: row.name, ...sums(row) })),
    };
  }
}
