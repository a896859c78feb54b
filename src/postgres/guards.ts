import type { Fragment, Sql } from "postgres";
import type { MessageLimits } from "../domain/stores.ts";
import { byteaArray } from "./database.ts";

// Exact sliding windows: a row holds the instants of its last minutes, and its lock puts parallel calls in
// order. Whoever comes later counts all that came before, so no window of that length holds more than
// the limit. A refusal ends the whole statement (`refuse`), the idempotency key included.

/** The instants of a window that are still in it, as the upserts below see the row. */
const within = (sql: Sql, column: Fragment, window: Fragment) =>
  sql`(select coalesce(array_agg(i order by i), '{}') from unnest(${column}) as i
    where i > excluded.touched_at - ${window})`;

/**
 * The CTE `w`: counts a start of the customer, one row for each pseudonym that is in use. `k` has a row
 * where this call counts at all.
 */
export function countedStart(sql: Sql, guards: readonly Buffer[], perMinute: number): Fragment {
  const recent = within(sql, sql`customer_guard.starts`, sql`interval '1 minute'`);
  return sql`w as (
    insert into customer_guard (pseudonym, starts, failures, touched_at)
    select g, array[t.now], 0, t.now
    from k, t, unnest(${byteaArray(sql, guards)}) as g where ${perMinute}::int > 0 order by g
    on conflict (pseudonym) do update
      set starts = ${recent} || excluded.touched_at, touched_at = excluded.touched_at
      where cardinality(${recent}) < ${perMinute}::int
    returning pseudonym
  )`;
}

/** The CTE `p`: counts a message to the number, where `k` has a row; `guards` is an SQL bytea[]. */
export function countedMessage(sql: Sql, guards: Fragment, limits: MessageLimits): Fragment {
  const recent = within(sql, sql`phone_guard.messages`, sql`interval '10 minutes'`);
  const most = limits.phonePer10Minutes;
  return sql`p as (
    insert into phone_guard (pseudonym, messages, touched_at)
    select g, array[t.now], t.now
    from k, t, unnest(${guards}) as g where ${most}::int > 0 order by g
    on conflict (pseudonym) do update
      set messages = ${recent} || excluded.touched_at, touched_at = excluded.touched_at
      where cardinality(${recent}) < ${most}::int
    returning pseudonym
  )`;
}

/** An expression that ends the statement where the customer is blocked; reads from `k` and `t`. */
export function refusedIfBlocked(sql: Sql, guards: Fragment): Fragment {
  return sql`(
    select refuse('blocked', extract(epoch from max(b.blocked_until) - t.now) * 1000)
    from k, t, customer_guard b
    where b.pseudonym = any (${guards}::bytea[]) and b.blocked_until > t.now
    group by t.now
  )`;
}

/** An expression that ends the statement where `w` counted fewer rows than there are guards. */
export function refusedIfTooManyStarts(sql: Sql, guards: readonly Buffer[], perMinute: number): Fragment {
  return sql`(
    select refuse('customer', coalesce((
      select extract(epoch from min(i) + interval '1 minute' - t.now) * 1000
      from customer_guard c, unnest(c.starts) as i
      where c.pseudonym = any (${byteaArray(sql, guards)}) and i > t.now - interval '1 minute'
    ), 1000))
    from k, t where ${perMinute}::int > 0 and (select count(*) from w) < ${guards.length}::int
  )`;
}

/** The same for `p` and the messages to a number. */
export function refusedIfTooManyMessages(sql: Sql, guards: Fragment, limits: MessageLimits): Fragment {
  return sql`(
    select refuse('phone', coalesce((
      select extract(epoch from min(i) + interval '10 minutes' - t.now) * 1000
      from phone_guard c, unnest(c.messages) as i
      where c.pseudonym = any (${guards}::bytea[]) and i > t.now - interval '10 minutes'
    ), 1000))
    from k, t
    where ${limits.phonePer10Minutes}::int > 0 and (select count(*) from p) < cardinality(${guards})
  )`;
}
