import type { Fragment, Sql } from "postgres";
import { openChallengeStatuses } from "../domain/challenge.ts";
import { movedChain } from "./timeline.ts";

/** Twilio refuses to redact a message that is not final yet, which takes a minute or so. */
const redactAfterSeconds = 60;

/**
 * `update … set` of a signature that a CTE `h` may close: it has next_status, next_closed_at (null where
 * the signature stays open), next_abort_reason, and of the locked latest challenge latest_lease_until (no other
 * can have a lease) and latest_look_up_due_at. The phone number goes at closure, unless an outcome is still
 * unknown: then it is needed for one more look-up and goes once that is settled, ten minutes later at most. What
 * an earlier call did is unknown too where a message was sent again only because the list did not show it:
 * without the number, nobody could ever tell that the customer got it twice. The number's pseudonyms go at closure in
 * any case: nothing reads them in a closed signature, and with their key a number is found by trying all.
 */
export function closedSignature(sql: Sql): Fragment {
  return sql`
    update signature set status = h.next_status, closed_at = h.next_closed_at,
      abort_reason = h.next_abort_reason,
      phone_sealed = case
        when h.next_closed_at is null or h.latest_lease_until is not null or h.latest_look_up_due_at is not null
          or exists (select from challenge o where o.signature_id = h.id and o.last_look_up_due_at is not null)
          then signature.phone_sealed
      end,
      phone_guards = case when h.next_closed_at is null then signature.phone_guards else '{}' end,
      ${movedChain(sql)}`;
}

/**
 * The assignment that erases the number of a closed signature once the challenge of `h` is settled, unless
 * another one of it is still looked for.
 * @param needed whether the challenge of `h` itself is still looked for
 */
export function erasedPhone(sql: Sql, needed = sql`h.look_up_due_at is not null`): Fragment {
  return sql`phone_sealed = case when signature.closed_at is null or ${needed} or exists (
    select from challenge o where o.signature_id = h.id and o.id <> h.challenge_id
      and (o.lease_until is not null or o.last_look_up_due_at is not null)
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
      redact_due_at = case
        when coalesce(challenge.provider_challenge_id, challenge.further_message_ids[1]) is not null
        then h.now + make_interval(secs => ${redactAfterSeconds}::int) end`;
}
