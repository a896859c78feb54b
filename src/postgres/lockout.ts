import type { Fragment, Sql } from "postgres";
import { type LockoutRules, mostFailures } from "../domain/limits.ts";
import { milliseconds } from "./database.ts";
import { touched } from "./guards.ts";

// One row of `lockout` for each customer pseudonym and caller, and one for each pseudonym and all callers together
// (caller ''). A row holds the failures that are not forgiven, 100 at most. Its lock orders parallel codes of all the
// customer's signatures, right ones too, so exactly as many are tried as the rules allow.

const stepsOf = (sql: Sql, rules: LockoutRules) => sql`${rules.stepsMs as number[]}::float8[]`;

/**
 * The CTEs `attempt` and `lockout_row`: count the codes of `l` that are for open signatures of customers whom no
 * operator has blocked. A wrong code is counted for its caller and for all callers; a right one (`l.agrees`) forgives
 * what failed for the same caller and number; where the customer is locked out neither happens. What becomes of a row is
 * the function lockout_after's word.
 */
export function judgedCodes(sql: Sql, rules: LockoutRules): Fragment {
  const window = milliseconds(sql, rules.windowMs);
  const after = (row: Fragment) => sql`lockout_after(
    ${row}, a.now, a.agrees, a.sent_to, a.failures_in_a_row, ${window}, ${stepsOf(sql, rules)}, a.most)`;
  return sql`attempt as materialized (
    select l.id, customer, l.customer_guards, scope.caller as scope, l.agrees, l.now,
      -- Which number, and for whom: what a right code proves, and forgives. Of the number's pseudonym one byte is kept,
      -- for the row outlives the signature: with the key, one of 256 numbers fits. Whole ones are an older version's.
      array(select substr(guard, 1, 1) || convert_to(l.asked_by, 'UTF8') from unnest(l.phone_guards) as guard order by guard)
        || array(select guard || convert_to(l.asked_by, 'UTF8') from unnest(l.phone_guards) as guard) as sent_to,
      -- All callers together have no lockouts in between.
      case when scope.caller = '' then null else ${rules.failures}::int end as failures_in_a_row,
      case when scope.caller = '' then ${mostFailures.customer}::int else ${mostFailures.caller}::int end as most
    from l, unnest(l.customer_guards) as customer, lateral (values (l.asked_by), ('')) as scope (caller)
    where ${rules.failures}::int > 0 and l.status in ('pending', 'challenge_sent') and l.expires_at > l.now
      and l.blocked_until is null
      and (scope.caller <> '' or not l.agrees
        or (select cardinality(f.failed_at) from lockout f where f.customer = customer.customer and f.caller = '') > 0)
  ), lockout_row as (
    insert into lockout
      (customer, caller, failed_at, failed_for, steps, locked_at, locked_until, last_signature_id, touched_at)
    select a.customer, a.scope, r.failed_at, r.failed_for, r.steps, r.locked_at, r.locked_until, a.id, a.now
    from attempt a left join lateral (
      -- The row of a new pseudonym key goes on from the row of the key before, which can then be destroyed.
      select f.failed_at, f.failed_for, f.steps, f.locked_at from lockout f
      where cardinality(a.customer_guards) > 1 and f.customer = any (a.customer_guards) and f.caller = a.scope
      order by cardinality(f.failed_at) desc limit 1
    ) f on true, ${after(sql`coalesce(f.failed_at, '{}'), coalesce(f.failed_for, '{}'), coalesce(f.steps, 0::smallint), f.locked_at`)} r
    order by a.customer, a.scope
    on conflict (customer, caller) do update set
      (failed_at, failed_for, steps, locked_at, locked_until) = (
        select r.failed_at, r.failed_for, r.steps, r.locked_at, r.locked_until
        from attempt a, ${after(sql`lockout.failed_at, lockout.failed_for, lockout.steps, lockout.locked_at`)} r
        where (a.customer, a.scope) = (excluded.customer, excluded.caller)
      ),
      last_signature_id = excluded.last_signature_id,
      touched_at = ${touched(sql, sql`lockout.touched_at`)}
    where lockout.locked_until is null or lockout.locked_until <= excluded.touched_at
    returning customer, caller, steps, locked_until
  )`;
}

/** Whether the customer of `l` is blocked by an operator, or `lockout_row` met a lockout under any of its pseudonyms. */
export function isLockedOut(sql: Sql): Fragment {
  return sql`l.blocked_until is not null or exists (
    select from attempt a where a.id = l.id and not exists (
      select from lockout_row r where (r.customer, r.caller) = (a.customer, a.scope)))`;
}

/** What refuses the code of `h` that is blocked, as (refusal, retry_after_ms). */
export function blockOf(sql: Sql, rules: LockoutRules): Fragment {
  // What was committed while this statement waited is not to be seen: then it is the first step at least.
  return sql`block_refusal(coalesce(h.blocked_until, h.now + ${milliseconds(sql, rules.stepsMs[0] ?? 0)}), h.now)`;
}

/**
 * An expression that ends the statement where a code of a customer who was locked out meanwhile was counted for all
 * callers, or under another of the customer's pseudonyms: that is undone, for it consumes and prolongs nothing.
 */
export function refusedIfCodeBlocked(sql: Sql): Fragment {
  return sql`case when h.outcome = 'blocked' and exists (
    select from attempt a join lockout_row r on (r.customer, r.caller) = (a.customer, a.scope) where a.id = h.id)
    then refuse(b.refusal, b.retry_after_ms) end`;
}

/** What the wrong code of `h` brought about, as (step, until_freed, next_until_freed); no row where nothing. */
export function lockoutOf(sql: Sql, rules: LockoutRules): Fragment {
  return sql`(
    select max(r.steps) as step, bool_or(r.locked_until = 'infinity') as until_freed,
      max(r.steps) >= cardinality(${stepsOf(sql, rules)}) as next_until_freed
    from attempt a join lockout_row r on (r.customer, r.caller) = (a.customer, a.scope)
    where a.id = h.id and r.locked_until is not null
    having count(*) > 0
  )`;
}

/**
 * The CTE `carried_lockout`: who is refused because of a lockout under one pseudonym gets it under those of the other keys
 * in the ring, too: no code is judged meanwhile that would carry it on. `limited` and `n` are of a start.
 */
export function carriedLockouts(sql: Sql): Fragment {
  return sql`carried_lockout as (
    insert into lockout
      (customer, caller, failed_at, failed_for, steps, locked_at, locked_until, last_signature_id, touched_at)
    select distinct on (guard, k.caller) guard, k.caller, k.failed_at, k.failed_for, k.steps, k.locked_at,
      k.locked_until, k.last_signature_id, k.touched_at
    from limited f join n on n.id = f.id, unnest(n.customer_guards) as guard, lockout k
    where f.refusal in ('blocked', 'blocked_until_freed') and cardinality(n.customer_guards) > 1
      and k.customer = any (n.customer_guards) and k.customer <> guard and k.locked_until is not null
    order by guard, k.caller, k.locked_until desc
    on conflict do nothing
  )`;
}
