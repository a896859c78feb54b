import type { Fragment, Sql } from "postgres";
import type { BlockRules } from "../domain/stores.ts";
import { milliseconds } from "./database.ts";

/**
 * The CTE `g`: counts a wrong code of the customer of `l`, where that is open and the customer is not
 * blocked, in the statement that acts on it. The row lock orders parallel wrong codes of all the
 * customer's signatures, so exactly as many pass as the rules allow.
 */
export function countedFailure(sql: Sql, wrong: boolean, rules: BlockRules): Fragment {
  const inWindow = sql`customer_guard.first_failure_at > excluded.touched_at - ${milliseconds(sql, rules.windowMs)}`;
  const count = sql`(case when ${inWindow} then customer_guard.failures else 0 end + 1)`;
  const until = sql`excluded.touched_at + ${milliseconds(sql, rules.blockMs)}`;
  return sql`g as (
    insert into customer_guard (pseudonym, starts, failures, first_failure_at, blocked_until, touched_at)
    select u, '{}', case when ${rules.failures}::int <= 1 then 0 else 1 end, l.now,
      case when ${rules.failures}::int <= 1 then l.now + ${milliseconds(sql, rules.blockMs)} end, l.now
    from l, unnest(l.customer_guards) as u
    where ${wrong}::boolean and ${rules.failures}::int > 0
      and l.status in ('pending', 'challenge_sent') and l.expires_at > l.now
    order by u
    on conflict (pseudonym) do update set
      failures = case when ${count} >= ${rules.failures}::int then 0 else ${count} end,
      first_failure_at = case when ${inWindow} then customer_guard.first_failure_at else excluded.touched_at end,
      blocked_until = case when ${count} >= ${rules.failures}::int then ${until} end,
      touched_at = excluded.touched_at
    where customer_guard.blocked_until is null or customer_guard.blocked_until <= excluded.touched_at
    returning pseudonym
  )`;
}

/** Whether the customer of `l` is blocked: a wrong code was not counted, or a right one comes too early. */
export function blocked(sql: Sql, wrong: boolean, rules: BlockRules): Fragment {
  if (wrong) {
    return sql`${rules.failures}::int > 0 and (select count(*) from g) < cardinality(l.customer_guards)`;
  }
  return sql`exists (
    select from customer_guard b where b.pseudonym = any (l.customer_guards) and b.blocked_until > l.now)`;
}

/** The CTEs that a completion forgives with: wrong codes in a row, and messages to the number. */
export function forgivenFailures(sql: Sql): Fragment {
  return sql`f as (
    update customer_guard set failures = 0, first_failure_at = null
    from h where h.outcome = 'completed' and pseudonym = any (h.customer_guards) and failures > 0
  ), m as (
    update phone_guard set messages = '{}'
    from h where h.outcome = 'completed' and pseudonym = any (h.phone_guards) and messages <> '{}'
  )`;
}
