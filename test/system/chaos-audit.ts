import type postgres from "postgres";
import {
  type ChallengeEvent,
  type ChallengeStatus,
  challengeTransitions,
} from "../../src/domain/challenge.ts";
import {
  isOpen,
  type SignatureEvent,
  type SignatureStatus,
  signatureAfter,
} from "../../src/domain/signature.ts";
import type { TimelineType } from "../../src/domain/timeline.ts";
import type { SandboxMessage } from "../../src/sandbox/sandbox-message.ts";
import type { Story } from "./chaos-callers.ts";

interface SignatureRow {
  readonly id: string;
  readonly status: SignatureStatus;
  readonly chain_length: number;
  readonly attempts_remaining: number;
  readonly key: string;
}

interface ChallengeRow {
  readonly id: string;
  readonly signature_id: string;
  readonly status: ChallengeStatus;
  readonly provider_challenge_id: string | null;
  readonly leased: boolean;
  readonly parked: boolean;
}

interface EventRow {
  readonly signature_id: string;
  readonly number: number;
  readonly type: TimelineType;
  readonly details: Readonly<Record<string, string>>;
}

export interface Audit {
  readonly counts: Readonly<Record<string, number>>;
  /** What was promised and is not so; empty when all is well. */
  readonly violations: readonly string[];
}

/** Facts: they change a status where the table says so, and nothing else. */
const facts: Partial<Record<TimelineType, ChallengeEvent>> = {
  CHALLENGE_SENT: "accept",
  CHALLENGE_REFUSED: "refuse",
  CHALLENGE_DELIVERED: "deliver",
  CHALLENGE_UNDELIVERED: "undeliver",
};

/** Decisions: the table must allow them. */
const closings: Partial<Record<TimelineType, readonly [SignatureEvent, ChallengeEvent]>> = {
  SIGNATURE_COMPLETED: ["complete", "complete"],
  SIGNATURE_FAILED: ["fail", "cancel"],
  SIGNATURE_EXPIRED: ["expire", "expire"],
  SIGNATURE_ABORTED: ["abort", "cancel"],
};

/**
 * Plays a timeline through the transition tables.
 * @returns the statuses that it must have led to
 * @throws Error where the tables forbid a step
 */
export function replayed(events: readonly Pick<EventRow, "type" | "details">[]): {
  status: SignatureStatus;
  challenges: Map<string, ChallengeStatus>;
} {
  let status: SignatureStatus = "pending";
  const challenges = new Map<string, ChallengeStatus>();
  let latest = "";
  const decide = (id: string, event: ChallengeEvent) => {
    const before = challenges.get(id);
    const after = before && challengeTransitions[before][event];
    if (after === undefined) throw new Error(`${event} of a challenge that is ${before}`);
    challenges.set(id, after);
  };
  for (const { type, details } of events) {
    const id = details["challenge_id"] ?? latest;
    const fact = facts[type];
    const closing = closings[type];
    if (type === "CHALLENGE_CREATED") {
      if (!isOpen(status)) throw new Error(`a challenge of a signature that is ${status}`);
      challenges.set(id, "pending");
      latest = id;
    } else if (type === "CHALLENGE_SUPERSEDED") {
      decide(id, "supersede");
    } else if (closing !== undefined) {
      status = signatureAfter(status, closing[0]);
      decide(latest, closing[1]);
    } else if (fact !== undefined) {
      const before = challenges.get(id);
      if (before === undefined) throw new Error(`${type} of an unknown challenge`);
      challenges.set(id, challengeTransitions[before][fact] ?? before);
      if (fact === "accept" && isOpen(status)) status = signatureAfter(status, "accept");
    }
  }
  return { status, challenges };
}

/** Compares what callers were told, what the database holds and what the provider has. */
export async function audit(
  sql: postgres.Sql,
  stories: readonly Story[],
  messages: readonly SandboxMessage[],
): Promise<Audit> {
  const signatures = await sql<SignatureRow[]>`
    select s.id, s.status, s.chain_length, s.attempts_remaining, k.key
    from signature s join idempotency_key k on k.signature_id = s.id and k.scope = 'start'`;
  const challenges = await sql<ChallengeRow[]>`
    select id, signature_id, status, provider_challenge_id, lease_until is not null as leased,
      lease_parked as parked
    from challenge order by signature_id, number`;
  const events = await sql<EventRow[]>`
    select signature_id, number, type, details::json as details from event order by signature_id, number`;

  const violations = stories.flatMap((story) =>
    story.contradictions.map((what) => `${story.signatureId}: ${what}`),
  );
  const eventsOf = Map.groupBy(events, (event) => event.signature_id);
  const challengesOf = Map.groupBy(challenges, (challenge) => challenge.signature_id);
  const sent = Map.groupBy(messages, (message) => challengeOf(message));
  const byKey = new Map(signatures.map((signature) => [signature.key, signature]));
  const counts: Record<string, number> = {
    "signatures acknowledged": stories.filter((story) => story.signatureId !== undefined).length,
    "signatures recorded": signatures.length,
    "challenges recorded": challenges.length,
    "messages accepted": messages.length,
    "challenges with exactly one message": 0,
    "challenges refused": 0,
    "challenges given up": 0,
    "challenges closed before any message": 0,
    "challenges still unknown": 0,
    "messages more than challenges": 0,
    "of these noticed as duplicates": 0,
    "leases left behind": 0,
    violations: 0,
  };
  const count = (what: string, by = 1) => {
    counts[what] = (counts[what] ?? 0) + by;
  };

  for (const { key, signatureId, closedAs } of stories) {
    const row = byKey.get(key);
    if (row === undefined) violations.push(`${signatureId}: it was acknowledged and is not recorded`);
    else if (row.id !== signatureId) violations.push(`${signatureId}: its key is bound to ${row.id}`);
    else if (closedAs !== undefined && row.status !== closedAs) {
      violations.push(`${signatureId}: its caller was told ${closedAs}, and it is ${row.status}`);
    }
  }

  for (const signature of signatures) {
    const timeline = eventsOf.get(signature.id) ?? [];
    const own = challengesOf.get(signature.id) ?? [];
    const fault = (what: string) => violations.push(`${signature.id}: ${what}`);
    count(`signatures ${signature.status}`);
    for (const { type } of timeline) if (!type.startsWith("SIGNATURE_")) count(`events ${type}`);

    if (timeline.some(({ number }, index) => number !== index + 1)) fault("its event numbers have gaps");
    if (timeline.length !== signature.chain_length) fault("its chain has another length than its timeline");
    const wrong = timeline.filter(({ type }) => type === "CODE_REJECTED").length;
    if (signature.attempts_remaining !== 3 - wrong)
      fault(`${wrong} wrong codes left ${signature.attempts_remaining}`);
    try {
      const expected = replayed(timeline);
      if (expected.status !== signature.status)
        fault(`it is ${signature.status}, its timeline ${expected.status}`);
      for (const { id, status } of own) {
        const should = expected.challenges.get(id);
        if (should !== status) fault(`challenge ${id} is ${status}, by the timeline ${should}`);
      }
    } catch (error) {
      fault(`its timeline has a step that is forbidden: ${error}`);
    }

    for (const challenge of own) {
      const mine = sent.get(challenge.id) ?? [];
      const has = (type: TimelineType) =>
        timeline.filter((event) => event.type === type && event.details["challenge_id"] === challenge.id)
          .length;
      const unknown = challenge.leased && challenge.parked && isOpen(signature.status);
      if (challenge.leased && !unknown) count("leases left behind");
      if (challenge.leased && !unknown) fault(`challenge ${challenge.id} still has a lease`);
      if (mine.length > 1) {
        count("messages more than challenges", mine.length - 1);
        count("of these noticed as duplicates", has("DUPLICATE_SENT"));
        if (has("DUPLICATE_SENT") < mine.length - 1)
          fault(`challenge ${challenge.id} was sent twice, unnoticed`);
      }
      if (mine.length === 1) count("challenges with exactly one message");
      if (unknown) count("challenges still unknown");
      else if (mine.length > 0) {
        const known = mine.some(({ sid }) => sid === challenge.provider_challenge_id);
        if (!known) fault(`challenge ${challenge.id} has a message that is not recorded`);
      } else if (challenge.provider_challenge_id !== null) {
        fault(`challenge ${challenge.id} has a SID that the provider does not know`);
      } else if (has("CHALLENGE_REFUSED") > 0) count("challenges refused");
      else if (has("CHALLENGE_GIVEN_UP") > 0) count("challenges given up");
      else if (!isOpen(signature.status)) count("challenges closed before any message");
      else fault(`challenge ${challenge.id} has no message and no reason why`);
    }
    const texts = new Set(
      own.flatMap(({ id }) => sent.get(id) ?? []).map(({ body }) => /\d{6}/.exec(body)?.[0]),
    );
    if (texts.size > 1) fault("its messages carry different codes");
  }
  counts["violations"] = violations.length;
  return { counts, violations };
}

/** The challenge that the message's own callback address names. */
function challengeOf({ statusCallback }: SandboxMessage): string {
  return new URL(statusCallback ?? "http://none/").searchParams.get("challenge") ?? "";
}
