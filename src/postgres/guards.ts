import type { Fragment, Sql } from "postgres";

// Exact sliding windows: a row holds the instants of its last minutes, and its lock puts parallel calls in
// order. Whoever comes later counts all that came before, so no window of that length holds more than
// the limit. Who is refused already when the statement begins is sorted out (`limited`); a refusal after that ends
// the whole statement (`refuse`), the idempotency key included.

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
 * The CTE `w`: counts the starts of the customers, one row for each pseudonym that is in use. `q` has a row
 * with customer_guards, phone_guards and admitted_until for each call that counts at all.
 */
export function countedStarts(sql: Sql, perMinute: number): Fragment {
  const starts = sql`customer_guard.starts`;
  return sql`w as (
    insert into customer_guard (pseudonym, starts, wrong_codes, touched_at)
    select g, array[t.now], '{}', t.now
    from q, t, unnest(q.customer_guards) as g where ${perMinute}::int > 0 order by g
    on conflict (pseudonym) do update
      set starts = ${kept(sql, starts, "1 minute")} || excluded.starts,
        touched_at = ${touched(sql, sql`customer_guard.touched_at`)}
      where ${counted(sql, starts, "1 minute")} < ${perMinute}::int
    returning pseudonym
  )`;
}

/** The CTE `p`: counts the messages to the numbers of `q`. */
export function countedMessages(sql: Sql, per10Minutes: number): Fragment {
  const messages = sql`phone_guard.messages`;
  return sql`p as (
    insert into phone_guard (pseudonym, messages, touched_at)
    select g, array[t.now], t.now
    from q, t, unnest(q.phone_guards) as g where ${per10Minutes}::int > 0 order by g
    on conflict (pseudonym) do update
      set messages = ${kept(sql, messages, "10 minutes")} || excluded.messages,
        touched_at = ${touched(sql, sql`phone_guard.touched_at`)}
      where ${counted(sql, messages, "10 minutes")} < ${per10Minutes}::int
    returning pseudonym
  )`;
}

/**
 * The CTE `limited`: for each call of `n` the limit or block that refuses it as the database stood when the statement
 * began, null where there is none, and until when. Whoever is refused is told so by the rows below; nothing is undone
 * for it, and those who share the statement do not notice.
 */
export function limited(sql: Sql, startsPerMinute: number, messagesPer10Minutes: number): Fragment {
  const ms = (interval: Fragment) => sql`ceil(greatest(1, extract(epoch from ${interval}) * 1000))`;
  return sql`found as materialized (
    select n.id, n.admitted_until, n.customer_guards, n.phone_guards, t.now, c.starts, b.until as customer_until,
      p.messages, p.blocked_until as phone_until
    from t, n, lateral (
      select max((select count(*) from unnest(g.starts) as i where i > t.now - interval '1 minute')) as starts
      from customer_guard g where g.pseudonym = any (n.customer_guards)
    ) c, lateral (
      select max(b.until) as until from ${blocksOf(sql, sql`n.customer_guards`, sql`n.caller`)} b
    ) b, lateral (
      select max(b.blocked_until) as blocked_until,
        max((select count(*) from unnest(b.messages) as i where i > t.now - interval '10 minutes')) as messages
      from phone_guard b where b.pseudonym = any (n.phone_guards)
    ) p
  ), limited as materialized (
    select f.id, case
      when f.now > f.admitted_until then 'caller'
      when f.customer_until > f.now then (block_refusal(f.customer_until, f.now)).refusal
      when f.phone_until > f.now then 'phone'
      when ${startsPerMinute}::int > 0 and f.starts >= ${startsPerMinute}::int then 'customer'
      when ${messagesPer10Minutes}::int > 0 and f.messages >= ${messagesPer10Minutes}::int then 'phone'
    end as refusal, case
      when f.now > f.admitted_until then 1000
      when f.customer_until > f.now then (block_refusal(f.customer_until, f.now)).retry_after_ms
      when f.phone_until > f.now then ${ms(sql`f.phone_until - f.now`)}
      when ${startsPerMinute}::int > 0 and f.starts >= ${startsPerMinute}::int
        then ceil(greatest(1, room_for_starts(f.customer_guards, ${startsPerMinute}::int, f.now)))
      when ${messagesPer10Minutes}::int > 0 and f.messages >= ${messagesPer10Minutes}::int
        then ceil(greatest(1, room_for_messages(f.phone_guards, ${messagesPer10Minutes}::int, f.now)))
    end::float8 as retry_after_ms
    from found f
  )`;
}

/** An expression that ends the statement where the caller's admission of one of `q` is over. */
export function refusedIfTooLate(sql: Sql): Fragment {
  return sql`(select refuse('caller', 1000) from q, t where t.now > q.admitted_until)`;
}

/** The ends of the blocks by operators and of the lockouts that hold for customers of a caller, as (until). */
export function blocksOf(sql: Sql, customers: Fragment, caller: Fragment): Fragment {
  return sql`(
    select g.blocked_until as until from customer_guard g where g.pseudonym = any (${customers})
    union all
    select k.locked_until from lockout k where k.customer = any (${customers}) and k.caller in (${caller}, '')
  )`;
}

/** An expression that ends the statement where a customer of `q` is blocked, or locked out for the caller. */
export function refusedIfBlocked(sql: Sql): Fragment {
  return sql`(
    select refuse(r.refusal, r.retry_after_ms)
    from q, t, lateral (
      select max(b.until) as until from ${blocksOf(sql, sql`q.customer_guards`, sql`q.caller`)} b
    ) b, block_refusal(b.until, t.now) r
    where b.until > t.now
  )`;
}

/** An expression that ends the statement where an operator has blocked a number of `q`. */
export function refusedIfNumberBlocked(sql: Sql): Fragment {
  return sql`(
    select refuse('phone', extract(epoch from max(b.blocked_until) - t.now) * 1000)
    from q, t, phone_guard b
    where b.pseudonym = any (q.phone_guards) and b.blocked_until > t.now
    group by t.now
  )`;
}

/** An expression that ends the statement where `w` counted fewer rows than there are guards. */
export function refusedIfTooManyStarts(sql: Sql, perMinute: number): Fragment {
  return sql`(
    select refuse('customer', room_for_starts(q.customer_guards, ${perMinute}::int, t.now)) from q, t
    where ${perMinute}::int > 0 and (select count(*) from w) < (select sum(cardinality(q.customer_guards)) from q)
  )`;
}

/** The same for `p` and the messages to a number. */
export function refusedIfTooManyMessages(sql: Sql, per10Minutes: number): Fragment {
  return sql`(
    select refuse('phone', room_for_messages(q.phone_guards, ${per10Minutes}::int, t.now)) from q, t
    where ${per10Minutes}::int > 0 and (select count(*) from p) < (select sum(cardinality(q.phone_guards)) from q)
  )`;
}

/** The CTE `m`: a completion frees the messages to its number, whose rows are locked in the order of `p`. */
export function freedMessages(sql: Sql): Fragment {
  return sql`m as (
    update phone_guard set messages = '{}'
    from (
      select o.pseudonym from h, phone_guard o
      where h.outcome = 'completed' and o.pseudonym = any (h.phone_guards)
      order by o.pseudonym for update of o
    ) as o
    where phone_guard.pseudonym = o.pseudonym
  )`;
}
