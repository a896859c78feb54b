import type {
  BudgetGrant,
  BudgetLimits,
  MessageBudgetStore,
  Spending,
  SpentBudget,
} from "../domain/message-budget.ts";
import type { Database } from "./database.ts";

interface GrantRow {
  readonly messages: number;
  readonly micros: number;
  readonly retry_after_ms: number;
}

/**
 * What was granted in the last 24 hours, one row per budget, added up by hours. An hour counts until 24 hours and a
 * minute after its end: a grant may be used for a minute, so that no 24 hours see more than the limit.
 */
export class PostgresMessageBudget implements MessageBudgetStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async reserve(scope: string, asked: Spending, limits: BudgetLimits): Promise<BudgetGrant> {
    for (;;) {
      const row = await this.#granted(scope, asked, limits);
      if (row !== undefined) {
        return {
          granted: { messages: row.messages, micros: row.micros },
          retryAfterMs: row.retry_after_ms,
        };
      }
      await this.#db.sql`
        insert into message_budget (scope, hours, messages, micros) values (${scope}, '{}', '{}', '{}')
        on conflict do nothing`;
    }
  }

  async #granted(scope: string, asked: Spending, limits: BudgetLimits): Promise<GrantRow | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<GrantRow[]>`
      with ${this.#db.now()}, locked_budget as (
        select b.*, t.now, date_trunc('hour', t.now, 'UTC') as this_hour
        from t, message_budget b where b.scope = ${scope} for update of b
      ), counted as (
        select l.scope, l.this_hour, l.now,
          coalesce(sum(e.messages), 0)::bigint as messages_spent,
          coalesce(sum(e.micros), 0)::bigint as micros_spent,
          min(e.hour) as oldest_hour,
          coalesce(array_agg(e.hour order by e.hour) filter (where e.hour < l.this_hour), '{}') as earlier_hours,
          coalesce(array_agg(e.messages order by e.hour) filter (where e.hour < l.this_hour), '{}')
            as earlier_messages,
          coalesce(array_agg(e.micros order by e.hour) filter (where e.hour < l.this_hour), '{}') as earlier_micros,
          coalesce(sum(e.messages) filter (where e.hour >= l.this_hour), 0)::bigint as messages_this_hour,
          coalesce(sum(e.micros) filter (where e.hour >= l.this_hour), 0)::bigint as micros_this_hour
        from locked_budget l left join lateral unnest(l.hours, l.messages, l.micros) as e (hour, messages, micros)
          on e.hour > l.now - interval '25 hours 1 minute'
        group by l.scope, l.this_hour, l.now
      ), decision as (
        select c.*,
          case when ${limits.messages}::bigint = 0 then ${asked.messages}::bigint
            else greatest(0, least(${asked.messages}::bigint, ${limits.messages}::bigint - c.messages_spent))
          end as messages_granted,
          case when ${limits.micros}::bigint = 0 then ${asked.micros}::bigint
            else greatest(0, least(${asked.micros}::bigint, ${limits.micros}::bigint - c.micros_spent))
          end as micros_granted
        from counted c
      ), updated_budget as (
        update message_budget b set
          hours = d.earlier_hours || d.this_hour,
          messages = d.earlier_messages || (d.messages_this_hour + d.messages_granted),
          micros = d.earlier_micros || (d.micros_this_hour + d.micros_granted)
        from decision d
        where b.scope = d.scope and d.messages_granted + d.micros_granted > 0
      )
      select messages_granted::float8 as messages, micros_granted::float8 as micros,
        (extract(epoch from coalesce(oldest_hour, this_hour) + interval '25 hours 1 minute' - now) * 1000)::float8
          as retry_after_ms
      from decision`;
    return row;
  }

  async spent(): Promise<SpentBudget[]> {
    const { sql } = this.#db;
    const rows = await sql<{ scope: string; messages: number; micros: number }[]>`
      with ${this.#db.now()}
      select b.scope, sum(e.messages)::float8 as messages, sum(e.micros)::float8 as micros
      from t, message_budget b, lateral unnest(b.hours, b.messages, b.micros) as e (hour, messages, micros)
      where e.hour > t.now - interval '25 hours 1 minute'
      group by b.scope`;
    return rows.map(({ scope, messages, micros }) => ({ scope, spent: { messages, micros } }));
  }
}
