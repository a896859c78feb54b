import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ChallengeEvent,
  type ChallengeStatus,
  challengeEvents,
  challengeStatuses,
  challengeStatusesBefore,
  challengeTransitions,
  openChallengeStatuses,
} from "../../src/domain/challenge.ts";

/** By event: the statuses it moves a challenge from, and where to. In every other status it changes nothing. */
const table: Record<ChallengeEvent, [from: ChallengeStatus[], to: ChallengeStatus]> = {
  accept: [["pending"], "sent"],
  refuse: [["pending"], "failed"],
  deliver: [["pending", "sent", "failed"], "delivered"],
  undeliver: [["pending", "sent"], "failed"],
  supersede: [["pending", "sent", "failed", "delivered"], "superseded"],
  complete: [["pending", "sent", "failed", "delivered"], "completed"],
  expire: [["pending", "sent", "failed", "delivered"], "expired"],
  cancel: [["pending", "sent", "failed", "delivered"], "cancelled"],
};

const ranks: Record<ChallengeStatus, number> = {
  ...{ pending: 0, sent: 1, failed: 2, delivered: 3 },
  ...{ superseded: 4, completed: 4, expired: 4, cancelled: 4 },
};

describe("the transition table of challenges", () => {
  const steps = challengeEvents.flatMap((event) =>
    challengeStatuses.map((status) => [status, event] as const),
  );

  test.each(steps)("%s, %s", (status, event) => {
    const [from, to] = table[event];
    expect(challengeTransitions[status][event]).toBe(from.includes(status) ? to : undefined);
  });

  test.each(challengeEvents)("the statuses before %s are read from the table", (event) => {
    expect(challengeStatusesBefore(event)).toEqual(table[event][0]);
  });

  test("open are the statuses that a later challenge takes the place of", () => {
    expect(openChallengeStatuses).toEqual(["pending", "sent", "failed", "delivered"]);
  });

  test("facts in any order, repeated or not, never move a challenge down", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...challengeEvents), { maxLength: 20 }), (events) => {
        let status: ChallengeStatus = "pending";
        for (const event of events) {
          const next: ChallengeStatus = challengeTransitions[status][event] ?? status;
          if (next !== status) expect(ranks[next]).toBeGreaterThan(ranks[status]);
          status = next;
        }
      }),
    );
  });

  test("a provider's facts lead to the same status in whatever order they arrive", () => {
    const facts = ["accept", "deliver", "undeliver"] as const;
    fc.assert(
      fc.property(fc.shuffledSubarray([...facts, ...facts], { minLength: 1 }), (events) => {
        const end = events.reduce<ChallengeStatus>(
          (status, event) => challengeTransitions[status][event] ?? status,
          "pending",
        );
        const best = events.includes("deliver")
          ? "delivered"
          : events.includes("undeliver")
            ? "failed"
            : "sent";
        expect(end).toBe(best);
      }),
    );
  });
});
