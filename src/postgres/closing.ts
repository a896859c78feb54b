import type { Fragment, Sql } from "postgres";
import { openChallengeStatuses } from "../domain/challenge.ts";
import { movedChain } from "./timeline.ts";

/** Twilio refuses to redact a message that is not final yet, which takes a minute or so. */
const redactAfterSeconds = 60;

/**
 * `update … set` of a signature that a CTE `h` may close: it has next_status, next_closed_at (null where
 * the signature stays open), next_abort_reason, and latest_lease_until of the locked latest challenge, the
 * only one that can have a lease. The phone number goes at closure, unless an outcome is still unknown:
 * then it is needed for one more look-up and goes once that is settled.
 */
export function closedSignature(sql: Sql): Fragment {
  return sql`
    update signature set status = h.next_status, closed_at = h.next_closed_at,
      abort_reason = h.next_abort_reason,
      phone_sealed = case
        when h.next_closed_at is null or h.latest_lease_until is not null then signature.phone_sealed
      end, ${movedChain(sql)}`;
}

/**
 * The assignment that erases the number of a closed signature once the challenge of `h` is settled, unless
 * another one of it is still looked for.
 */
export function erasedPhone(sql: Sql): Fragment {
  return sql`phone_sealed = case when signature.closed_at is null or exists (
    select from challenge o where o.signature_id = h.id and o.id <> h.challenge_id and o.lease_until is not null
  ) then signature.phone_sealed end`;
}

/**
 * `update … set` of all challenges of a signature that `h` closes: the latest ends, times and SIDs stay.
 * @param feedback whether the provider is to hear that the code was used
 */
export function closedChallenges(sql: Sql, feedback = false): Fragment {
  return sql`
    update challenge set
      status = case when challenge.status = any (${openChallengeStatuses}::text[])
        then h.next_challenge_status else challenge.status end,
      feedback_due_at = case
        when ${feedback}::boolean and h.next_challenge_status = 'completed' and challenge.provider_challenge_id is not null then h.now end,
      redact_due_at = case when challenge.provider_challenge_id is not null
        then h.now + make_interval(secs => ${redactAfterSeconds}::int) end`;
}
