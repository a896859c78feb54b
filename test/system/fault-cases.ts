import type { CreateStep, LookupStep } from "../../src/sandbox/steps.ts";

/** What Twilio does to the calls of one signature, and all that must come of it. */
export interface Case {
  readonly fault: string;
  readonly steps: readonly CreateStep[];
  /** The last step meets every further call too. */
  readonly always?: true;
  readonly lookUps?: readonly LookupStep[];
  /** "OK SENT", "OK PENDING", or the reason and the provider's error code. */
  readonly answer: string;
  /** Once the work has ended, which may be after the answer. */
  readonly ends: "SENT" | "PENDING" | "FAILED";
  readonly calls: number;
  readonly accepted: number;
  readonly timeline: readonly string[];
  /** The receipt and the call that it settles are recorded as they come. */
  readonly inAnyOrder?: true;
}

const absent = (code: string, attempt: number) => [
  `OUTCOME_UNKNOWN ${code} ${attempt}`,
  `LOOKED_UP nothing ${attempt}`,
];
const found = (code: string) => [
  `OUTCOME_UNKNOWN ${code} 1`,
  "LOOKED_UP message",
  "CHALLENGE_SENT look_up 1",
];
const acceptedAgain = ["CHALLENGE_SENT answer 2"];
const fourTimes = (code: string) => [1, 2, 3, 4].flatMap((attempt) => absent(code, attempt));

/** Taken by Twilio, and the answer lost: the look-up finds it, and nothing is sent again. */
function takenAndLost(fault: string, step: CreateStep, code: string): Case {
  const timeline = found(code);
  return { fault, steps: [step], answer: "OK SENT", ends: "SENT", calls: 1, accepted: 1, timeline };
}

/** Perhaps taken, in truth not: looked up and sent again. */
function perhapsTakenOnce(fault: string, step: CreateStep, code: string): Case {
  const timeline = [...absent(code, 1), ...acceptedAgain];
  return { fault, steps: [step], answer: "OK SENT", ends: "SENT", calls: 2, accepted: 1, timeline };
}

function perhapsTakenAlways(fault: string, step: CreateStep, code: string): Case {
  const timeline = [...fourTimes(code), `CHALLENGE_GIVEN_UP ${code} 4`];
  const answer = `PROVIDER_UNAVAILABLE ${code}`;
  return { fault, steps: [step], always: true, answer, ends: "PENDING", calls: 4, accepted: 0, timeline };
}

/** About our account or address: alike for every call, so there is one. */
function misconfigured(fault: string, step: CreateStep, code: string): Case {
  const timeline = [`CHALLENGE_GIVEN_UP ${code} 1`];
  const answer = `PROVIDER_UNAVAILABLE ${code}`;
  return { fault, steps: [step], always: true, answer, ends: "PENDING", calls: 1, accepted: 0, timeline };
}

function refused(code: number): Case {
  return {
    ...{ fault: `refused with ${code}`, steps: [{ kind: "refuse", code }], always: true },
    ...{ answer: `PROVIDER_REJECTED ${code}`, ends: "FAILED", calls: 1, accepted: 0 },
    timeline: [`CHALLENGE_REFUSED ${code} 1`],
  };
}

export const cases: readonly Case[] = [
  {
    ...{ fault: "no fault", steps: [], answer: "OK SENT", ends: "SENT", calls: 1, accepted: 1 },
    timeline: ["CHALLENGE_SENT answer 1"],
  },
  perhapsTakenOnce("hang before accept", { kind: "hang_before_accept" }, "timeout"),
  perhapsTakenAlways("hang before accept, always", { kind: "hang_before_accept" }, "timeout"),
  takenAndLost("hang after accept", { kind: "hang_after_accept" }, "timeout"),
  perhapsTakenOnce("reset before accept", { kind: "reset_before_accept" }, "connection"),
  perhapsTakenAlways("reset before accept, always", { kind: "reset_before_accept" }, "connection"),
  takenAndLost("reset after accept", { kind: "reset_after_accept" }, "connection"),
  {
    ...{ fault: "429 once", steps: [{ kind: "status", status: 429 }], answer: "OK SENT", ends: "SENT" },
    ...{ calls: 2, accepted: 1, timeline: acceptedAgain },
  },
  {
    ...{ fault: "429", steps: [{ kind: "status", status: 429 }], always: true, ends: "PENDING" },
    ...{ answer: "PROVIDER_UNAVAILABLE 20429", calls: 4, accepted: 0 },
    timeline: ["CHALLENGE_GIVEN_UP 20429 4"],
  },
  perhapsTakenOnce("500 before accept", { kind: "status", status: 500 }, "20500"),
  takenAndLost("500 after accept", { kind: "status", status: 500, accept: true }, "20500"),
  perhapsTakenOnce("503", { kind: "status", status: 503 }, "20503"),
  perhapsTakenAlways("503, always", { kind: "status", status: 503 }, "20503"),
  perhapsTakenOnce("502 with HTML", { kind: "status", status: 502, body: "html" }, "http_502"),
  takenAndLost("truncated 201", { kind: "truncated" }, "unreadable"),
  takenAndLost("empty 201", { kind: "empty" }, "unreadable"),
  takenAndLost("slow drip", { kind: "drip" }, "timeout"),
  misconfigured("307", { kind: "redirect" }, "http_307"),
  misconfigured("401", { kind: "status", status: 401 }, "20003"),
  misconfigured("403", { kind: "status", status: 403 }, "20006"),
  misconfigured("404", { kind: "status", status: 404 }, "20404"),
  ...[20005, 21267, 21606, 21608, 21611, 21659, 21660, 21661, 21704, 90010].map((code) =>
    misconfigured(`refused with ${code}, about us`, { kind: "refuse", code }, String(code)),
  ),
  misconfigured("a code that nobody knows", { kind: "refuse", code: 29999 }, "29999"),
  misconfigured("405", { kind: "status", status: 405 }, "20004"),
  ...[21211, 21408, 21610, 21612, 21614, 21635].map(refused),
  {
    fault: "list that lags, a receipt that does not",
    steps: [
      {
        kind: "hang_after_accept",
        delivery: { listLagMs: 60_000, receipts: "in_order", outcome: "sent" },
      },
    ],
    ...{ answer: "OK SENT", ends: "SENT", calls: 1, accepted: 1, inAnyOrder: true },
    timeline: ["CHALLENGE_SENT receipt 1", "OUTCOME_UNKNOWN timeout 1"],
  },
  {
    // Beyond what the settling pause covers: it is sent twice, and it does not go unnoticed.
    fault: "list that lags, receipts that lag more",
    steps: [
      {
        kind: "reset_after_accept",
        delivery: { listLagMs: 60_000, receipts: "in_order", receiptDelayMs: 2_000 },
      },
    ],
    ...{ answer: "OK SENT", ends: "SENT", calls: 2, accepted: 2 },
    timeline: [...absent("connection", 1), ...acceptedAgain, "DUPLICATE_SENT receipt 2"],
  },
  {
    // Twilio took the call after the caller had hung up and looked, and lists it after it has told of it.
    fault: "accepted after the look-up",
    steps: [{ kind: "latency", ms: 2_500, delivery: { listLagMs: 60_000, receipts: "in_order" } }],
    ...{ answer: "OK SENT", ends: "SENT", calls: 2, accepted: 2 },
    timeline: [...absent("timeout", 1), ...acceptedAgain, "DUPLICATE_SENT receipt 2"],
  },
  {
    fault: "list that cannot be read",
    steps: [{ kind: "reset_after_accept" }],
    lookUps: [{ kind: "status", status: 503 }],
    ...{ answer: "OK PENDING", ends: "SENT", calls: 1, accepted: 1 },
    timeline: [
      ...["OUTCOME_UNKNOWN connection 1", "LOOKED_UP unreadable 1"],
      ...["LOOKED_UP message", "CHALLENGE_SENT look_up 1"],
    ],
  },
];
