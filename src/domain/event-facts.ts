/** A fact as a pack shows it; undefined where no event says it, as in those of releases before. */
type Told = string | number | null | undefined;

/** What the events say of one challenge. */
export interface ChallengeFacts {
  channel: Told;
  provider: Told;
  status: Told;
  masked_destination: Told;
  message_sid: Told;
  provider_proof: Told;
  provider_error_code: Told;
  /** Undefined while the challenge is open. */
  calls: Told;
  created_at: Told;
  sent_at: Told;
  delivered_at: Told;
  /** Lower-case hex; of the text with the code masked. */
  text_digest: Told;
}

export interface ReportFacts {
  readonly challenge_id: string;
  readonly received_at: string;
  /** SHA-256 of the parameters, in lower-case hex. */
  readonly parameters_digest: string;
  readonly proof: string;
}

/** What the events of a signature say of it. */
export interface EventFacts {
  readonly signature: {
    caller: Told;
    status: Told;
    created_at: Told;
    expires_at: Told;
    closed_at: Told;
    abort_reason: Told;
    attempts_remaining: Told;
    first_factor: Told;
    locale: Told;
    transaction_digest: Told;
  };
  /** By id, in the order of their creation. */
  readonly challenges: ReadonlyMap<string, ChallengeFacts>;
  readonly reports: readonly ReportFacts[];
}

/** An event whose details were read; `at` in ISO 8601 with milliseconds, UTC. */
export interface ReadEvent {
  readonly at: string;
  readonly type: string;
  readonly details: Readonly<Record<string, string>>;
}

const ends: Readonly<Record<string, readonly [status: string, challengeStatus: string]>> = {
  SIGNATURE_COMPLETED: ["completed", "completed"],
  SIGNATURE_FAILED: ["failed", "cancelled"],
  SIGNATURE_EXPIRED: ["expired", "expired"],
  SIGNATURE_ABORTED: ["aborted", "cancelled"],
};

/** Reads events in their order: every fact that packs and receipts show is one of theirs. */
export function factsOf(events: readonly ReadEvent[]): EventFacts {
  const reading = new Reading();
  for (const event of events) reading.read(event);
  return reading;
}

class Reading implements EventFacts {
  readonly signature: EventFacts["signature"] = {
    ...{
      caller: undefined,
      status: "pending",
      created_at: undefined,
      expires_at: undefined,
      closed_at: null,
    },
    ...{ abort_reason: null, attempts_remaining: undefined, first_factor: undefined, locale: undefined },
    transaction_digest: undefined,
  };
  readonly challenges = new Map<string, ChallengeFacts>();
  readonly reports: ReportFacts[] = [];
  /** Challenges whose SID is another one's in the database: a refusal still counts for them. */
  readonly #borrowed = new Set<string>();

  read(event: ReadEvent): void {
    const { at, details, type } = event;
    const id = details["challenge_id"] ?? "";
    if (type === "SIGNATURE_STARTED") this.#started(event);
    else if (type === "CHALLENGE_CREATED") this.challenges.set(id, created(event));
    else if (type === "CODE_REJECTED" || type === "TRANSACTION_MISMATCH") {
      this.signature.attempts_remaining = numberIn(details["attempts_remaining"]);
    } else if (Object.hasOwn(ends, type)) this.#ended(event);
    const challenge = this.challenges.get(id);
    if (challenge === undefined) return;
    if (details["report"] !== undefined && details["report_proof"] !== undefined) {
      const [digest, proof] = [details["report"], details["report_proof"]];
      this.reports.push({ challenge_id: id, received_at: at, parameters_digest: digest, proof });
    }
    // No call begins after the end of a challenge, so that event has the count of them all.
    if (Object.hasOwn(ends, type) || type === "CHALLENGE_SUPERSEDED")
      challenge.calls = numberIn(details["attempt"]);
    if (type === "CHALLENGE_SENT" && this.signature.status === "pending")
      this.signature.status = "challenge_sent";
    if (details["sid_of_another"] === "true") this.#borrowed.add(id);
    apply(challenge, event, challenge.message_sid !== null && !this.#borrowed.has(id));
  }

  #started({ at, details }: ReadEvent): void {
    const life = numberIn(details["life_ms"]);
    Object.assign(this.signature, {
      ...{ caller: details["caller"], created_at: at, first_factor: details["first_factor"] },
      ...{ locale: details["locale"], attempts_remaining: numberIn(details["attempts"]) },
      transaction_digest: details["transaction_digest"],
      expires_at: life === undefined ? undefined : new Date(Date.parse(at) + life).toISOString(),
    });
  }

  #ended({ at, type, details }: ReadEvent): void {
    const { signature } = this;
    const [status, ofLatest] = ends[type] ?? [];
    signature.status = status;
    // Whenever the sweep came by, what expired closed when its life was over.
    signature.closed_at = type === "SIGNATURE_EXPIRED" ? signature.expires_at : at;
    if (type === "SIGNATURE_ABORTED") signature.abort_reason = details["reason"] ?? null;
    for (const challenge of this.challenges.values()) {
      if (isOpen(challenge)) challenge.status = ofLatest;
    }
  }
}

function created({ at, details }: ReadEvent): ChallengeFacts {
  return {
    ...{ channel: details["channel"], provider: details["provider"], status: "pending", calls: undefined },
    ...{ masked_destination: details["masked_destination"], text_digest: details["text_digest"] },
    ...{ message_sid: null, provider_proof: null, provider_error_code: null },
    ...{ created_at: at, sent_at: null, delivered_at: null },
  };
}

function apply(challenge: ChallengeFacts, { at, type, details }: ReadEvent, hasMessage: boolean): void {
  switch (type) {
    case "CHALLENGE_SENT":
      if (challenge.status === "pending") challenge.status = "sent";
      challenge.message_sid = details["provider_challenge_id"];
      challenge.sent_at = details["sent_at"];
      challenge.provider_proof = details["provider_proof"];
      break;
    case "PROVIDER_ANSWERED":
      challenge.provider_proof = details["provider_proof"];
      break;
    case "CHALLENGE_REFUSED":
      if (challenge.status === "pending") challenge.status = "failed";
      if (!hasMessage) challenge.provider_error_code = details["provider_error_code"];
      break;
    case "CHALLENGE_UNDELIVERED":
      if (challenge.status === "pending" || challenge.status === "sent") challenge.status = "failed";
      challenge.provider_error_code = details["provider_error_code"] ?? "other";
      break;
    case "CHALLENGE_DELIVERED":
      if (isOpen(challenge)) challenge.status = "delivered";
      challenge.provider_error_code = null;
      challenge.delivered_at = at;
      break;
    case "CHALLENGE_SUPERSEDED":
      challenge.status = "superseded";
      break;
  }
}

const isOpen = ({ status }: ChallengeFacts) =>
  ["pending", "sent", "failed", "delivered"].includes(String(status));

const numberIn = (text: string | undefined) => (text === undefined ? undefined : Number(text));
