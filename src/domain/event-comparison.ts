import { type ChallengeFacts, type EventFacts, factsOf } from "./event-facts.ts";

type Shown = Readonly<Record<string, unknown>>;

/** What is shown of a signature: a pack's members, or rows in the form that a pack gives them. */
export interface ShownFacts {
  readonly signature: Shown & { readonly id: string };
  readonly challenges: readonly (Shown & { readonly id: string })[];
  readonly provider_receipts: readonly {
    readonly challenge_id: string;
    readonly received_at: string;
    readonly proof: string;
    /** SHA-256 of the parameters, in lower-case hex. */
    readonly parameters_digest: string;
  }[];
}

export interface Comparison {
  /** What is shown otherwise than the events have it. */
  readonly differences: readonly string[];
  /** What is shown and no event says, by the names of the facts: recorded by a release that did not tell it. */
  readonly untold: readonly string[];
}

/** Compares what is shown of a signature with what its events say, fact by fact. */
export function compareWithEvents(
  shown: ShownFacts,
  events: readonly { readonly at: string; readonly type: string; readonly details: string }[],
): Comparison {
  const told = factsOf(
    events.map(({ details, ...event }) => ({
      ...event,
      details: JSON.parse(details) as Record<string, string>,
    })),
  );
  const differences: string[] = [];
  const untold = new Set<string>();
  compareFacts("the signature", shown.signature, told.signature, differences, untold);
  for (const challenge of shown.challenges) {
    const facts = told.challenges.get(challenge.id);
    if (facts === undefined) differences.push(`challenge ${challenge.id} stands in no event`);
    else compareChallenge(challenge, facts, differences, untold);
  }
  for (const id of told.challenges.keys()) {
    if (!shown.challenges.some((challenge) => challenge.id === id))
      differences.push(`challenge ${id} is missing`);
  }
  compareReports(shown, told, differences, untold);
  return { differences, untold: [...untold] };
}

/** A text is compared by its digest, elsewhere: who reads rows has no text. */
function compareChallenge(
  challenge: Shown & { readonly id: string },
  { text_digest: _, ...facts }: ChallengeFacts,
  differences: string[],
  untold: Set<string>,
): void {
  const isOpen = ["pending", "sent", "failed", "delivered"].includes(String(facts.status));
  // Calls are counted in the event that ends a challenge.
  const { calls, ...others } = facts;
  compareFacts(
    `challenge ${challenge.id}`,
    challenge,
    isOpen ? others : { ...others, calls },
    differences,
    untold,
  );
}

function compareFacts(
  name: string,
  shown: Shown,
  told: Shown,
  differences: string[],
  untold: Set<string>,
): void {
  for (const [fact, value] of Object.entries(told)) {
    if (value === undefined) {
      if (shown[fact] !== null) untold.add(fact);
    } else if (shown[fact] !== value) {
      differences.push(
        `${fact} of ${name} is ${speakable(shown[fact])}, and its events say ${speakable(value)}`,
      );
    }
  }
}

function compareReports(
  shown: ShownFacts,
  told: EventFacts,
  differences: string[],
  untold: Set<string>,
): void {
  const keyOf = (report: ShownFacts["provider_receipts"][number]) =>
    JSON.stringify([report.challenge_id, report.received_at, report.parameters_digest, report.proof]);
  const there = new Set(shown.provider_receipts.map(keyOf));
  const known = new Set(told.reports.map(keyOf));
  for (const report of told.reports) {
    if (!there.has(keyOf(report))) {
      differences.push(`the report of ${report.received_at} on challenge ${report.challenge_id} is missing`);
    }
  }
  if (shown.provider_receipts.some((report) => !known.has(keyOf(report)))) untold.add("provider_receipts");
}

const speakable = (value: unknown) => (value === null ? "none" : String(value));
