import type { Fragment, Sql } from "postgres";
import type { MessageLimits } from "../domain/limits.ts";
import { byteaArray } from "./database.ts";

// Exact sliding windows: a row holds the instants of its last minutes, and its lock puts parallel calls in
// order. Whoever comes later counts all that came before, so no window of that length holds more than
// the limit. A refusal ends the whole statement (`refuse`), the idempotency key included.

/** A length of time as PostgreSQL writes intervals, for windows that are fixed. */
type Window = "1 minute" | "10 minutes";

/** The upserted row's instants that are still in the window, as the call sees it. */
const counted = (sql: Sql, column: Fragment, window: Window) =>
  sql`(select count(*) from unnest(${column}) as i where i > excluded.touched_at - ${window}::interval)`;

/**
 * What the row keeps of them. A call that waited for the row (10 s at most, statement_timeout) comes with
 * an instant before the latest one, and has to find all of its own window.
 */
const kept = (sql: Sql, column: Fragment, window: Window) =>
  sql`array(select i from unnest(${column}) as i
    where i > excluded.touched_at - ${window}::interval - interval '10 seconds')`;

/**
 * When an upserted row was last used, to ten minutes: the purge needs no more, and a column under an
 * index that changes with each call would cost an index entry each time.
 */
export const touched = (sql: Sql, column: Fragment): Fragment =>
  sql`case when ${column} > excluded.touched_at - interval '10 minutes' then ${column} else excluded.touched_at end`;

/**
 * The CTE `w`: counts a start of the customer, one row for each pseudonym that is in use. `k` has a row
 * where this call counts at all.
 */
export function countedStart(sql: Sql, guards: readonly Buffer[], perMinute: number): Fragment {
  const starts = sql`customer_guard.starts`;
  return sql`w as (
    insert into customer_guard (pseudonym, starts, wrong_codes, touched_at)
    select g, array[t.now], '{}', t.now
    from k, t, unnest(${byteaArray(sql, guards)}) as g where ${perMinute}::int > 0 order by g
    on conflict (pseudonym) do update
      set starts = ${kept(sql, starts, "1 minute")} || excluded.starts,
        touched_at = ${touched(sql, sql`customer_guard.touched_at`)}
      where ${counted(sql, starts, "1 minute")} < ${perMinute}::int
    returning pseudonym
  )`;
}

/** The CTE `p`: counts a message to the number, where `k` has a row; `guards` is an SQL bytea[]. */
export function countedMessage(sql: Sql, guards: Fragment, limits: MessageLimits): Fragment {
  const messages = sql`phone_guard.messages`;
  const most = limits.phonePer10Minutes;
  return sql`p as (
    insert into phone_guard (pseudonym, messages, touched_at)
    select g, array[t.now], t.now
    from k, t, unnest(${guards}) as g where ${most}::int > 0 order by g
    on conflict (pseudonym) do update
      set messages = ${kept(sql, messages, "10 minutes")} || excluded.messages,
        touched_at = ${touched(sql, sql`phone_guard.touched_at`)}
      where ${counted(sql, messages, "10 minutes")} < ${most}::int
    returning pseudonym
  )`;
}

/** An expression that ends the statement where the caller's admission is over; reads from `k` and `t`. */
export function refusedIfTooLate(sql: Sql, limits: MessageLimits): Fragment {
  return sql`(
    select refuse('caller', 1000) from k, t where t.now > ${limits.admittedUntil ?? null}::timestamptz
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

/** An expression that ends the statement where an operator has blocked the number; reads from `k` and `t`. */
export function refusedIfNumberBlocked(sql: Sql, guards: Fragment): Fragment {
  return sql`(
    select refuse('phone', extract(epoch from max(b.blocked_until) - t.now) * 1000)
    from k, t, phone_guard b
    where b.pseudonym = any (${guards}::bytea[]) and b.blocked_until > t.now
    group by t.now
  )`;
}

/**
 * Milliseconds until the window has room again: when the oldest of the `most` latest instants leaves it.
 * Those that this statement's snapshot does not show have come since, so they leave last of all.
 */
const roomAfter = (
  sql: Sql,
  table: Fragment,
  column: Fragment,
  guards: Fragment,
  most: number,
  window: Window,
) =>
  sql`extract(epoch from coalesce((
      select max(nth) from ${table} c cross join lateral (
        select i from unnest(${column}) as i order by i desc offset ${Math.max(0, most - 1)}::int limit 1
      ) as o (nth)
      where c.pseudonym = any (${guards}::bytea[]) and nth > t.now - ${window}::interval
    ), t.now) + ${window}::interval - t.now) * 1000`;

/** An expression that ends the statement where `w` counted fewer rows than there are guards. */
export function refusedIfTooManyStarts(sql: Sql, guards: readonly Buffer[], perMinute: number): Fragment {
  const retryAfter = roomAfter(
    sql,
    sql`customer_guard`,
    sql`c.starts`,
    byteaArray(sql, guards),
    perMinute,
    "1 minute",
  );
  return sql`(
    select refuse('customer', ${retryAfter})
    from k, t where ${perMinute}::int > 0 and (select count(*) from w) < ${guards.length}::int
  )`;
}

/** The same for `p` and the messages to a number. */
export function refusedIfTooManyMessages(sql: Sql, guards: Fragment, limits: MessageLimits): Fragment {
  const most = limits.phonePer10Minutes;
  const retryAfter = roomAfter(sql, sql`phone_guard`, sql`c.messages`, guards, most, "10 minutes");
  return sql`(
    select refuse('phone', ${retryAfter})
    from k, t
    where ${most}::int > 0 and (select count(*) from p) < cardinality(${guards})
  )`;
}
