import type { Fragment, Sql } from "postgres";
import type { BlockRules } from "../domain/limits.ts";
import { milliseconds } from "./database.ts";
import { touched } from "./guards.ts";

/**
 * The CTE `g`: judges the codes against the blocks of the customers of `l`, where it is open, in the statement
 * that acts on them. A wrong code is counted, a right one (`l.agrees`) forgives those before it; a blocked
 * customer's row does neither. The row's lock orders parallel codes of all the customer's signatures, right ones
 * too, so exactly as many are tried as the rules allow.
 */
export function judgedCodes(sql: Sql, rules: BlockRules): Fragment {
  const window = milliseconds(sql, rules.windowMs);
  const before = sql`(
    select count(*) from unnest(customer_guard.wrong_codes) as i where i > excluded.touched_at - ${window})`;
  const wrong = sql`(excluded.blocked_until is not null or cardinality(excluded.wrong_codes) > 0)`;
  const last = sql`${wrong} and ${before} + 1 >= ${rules.failures}::int`;
  // A call that waited for the row may come with an instant before the latest: see `kept` in guards.
  const row = sql`array(
    select i from unnest(customer_guard.wrong_codes) as i
    where i > excluded.touched_at - ${window} - interval '10 seconds') || excluded.wrong_codes`;
  const blockedUntil = (now: Fragment) => sql`${now} + ${milliseconds(sql, rules.blockMs)}`;
  const atOnce = sql`(not l.agrees and ${rules.failures}::int <= 1)`;
  return sql`g as (
    insert into customer_guard (pseudonym, starts, wrong_codes, blocked_until, touched_at)
    select u, '{}', case when l.agrees or ${atOnce} then '{}' else array[l.now] end,
      case when ${atOnce} then ${blockedUntil(sql`l.now`)} end, l.now
    from l, unnest(l.customer_guards) as u
    where ${rules.failures}::int > 0 and l.status in ('pending', 'challenge_sent') and l.expires_at > l.now
    order by u
    on conflict (pseudonym) do update set
      wrong_codes = case when ${last} or not ${wrong} then '{}' else ${row} end,
      blocked_until = case when ${last} then ${blockedUntil(sql`excluded.touched_at`)} end,
      touched_at = ${touched(sql, sql`customer_guard.touched_at`)}
    where customer_guard.blocked_until is null or customer_guard.blocked_until <= excluded.touched_at
    returning pseudonym
  )`;
}

/** Whether `g` met a block under any of the customer's pseudonyms. */
export function blocked(sql: Sql, rules: BlockRules): Fragment {
  return sql`${rules.failures}::int > 0 and (select count(*) from g where g.pseudonym = any (l.customer_guards)) < cardinality(l.customer_guards)`;
}

/** Of a row of `h` that is blocked: milliseconds until it is not. */
export function blockedMs(sql: Sql, rules: BlockRules): Fragment {
  return sql`case when h.outcome = 'blocked' then ceil(greatest(1, coalesce((
      select extract(epoch from max(b.blocked_until) - h.now) * 1000 from customer_guard b
      where b.pseudonym = any (h.customer_guards) and b.blocked_until > h.now
    ), ${rules.blockMs}::float8)))::float8 end`;
}

/**
 * An expression that ends the statement where a code of a blocked customer was counted under another of the
 * customer's pseudonyms, as may be while keys are rotated: that is undone, for it consumes and prolongs nothing.
 */
export function refusedIfCodeBlocked(sql: Sql, rules: BlockRules): Fragment {
  return sql`case when h.outcome = 'blocked' and exists (select from g where g.pseudonym = any (h.customer_guards))
    then refuse('blocked', ${blockedMs(sql, rules)}) end`;
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
