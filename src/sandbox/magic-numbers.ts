import type { CreateStep } from "./steps.ts";

/** A suffix of four digits and what a message to a number ending in it meets. */
export type MagicNumber = {
  suffix: string;
  group: "Delivery" | "Refused" | "Account" | "HTTP" | "Connection" | "Receipts";
  /** One line for people, shown on the inbox page. */
  meaning: string;
  /** The first calls with one text meet these; a retry carries the same text. */
  first?: readonly CreateStep[];
  /** Every further call. */
  step: CreateStep;
};

const accept: CreateStep = { kind: "accept" };

function undelivered(code: number, why: string): MagicNumber {
  return {
    suffix: `9${String(code).slice(-3)}`,
    group: "Delivery",
    meaning: `accepted, then undelivered with ${code}: ${why}`,
    step: { kind: "accept", delivery: { outcome: "undelivered", errorCode: code } },
  };
}

function failed(code: number, why: string): MagicNumber {
  return {
    suffix: `9${String(code).slice(-3)}`,
    group: "Delivery",
    meaning: `accepted, then failed with ${code}: ${why}`,
    step: { kind: "accept", delivery: { outcome: "failed", errorCode: code } },
  };
}

function refused(code: number, why: string): MagicNumber {
  return {
    suffix: `9${String(code).slice(-3)}`,
    group: "Refused",
    meaning: `refused with 400 and ${code}: ${why}`,
    step: { kind: "refuse", code },
  };
}

/** As `refused`, by a code about the account or its sender: no other number would fare better. */
function misconfigured(code: number, why: string): MagicNumber {
  return { ...refused(code, why), group: "Account" };
}

function http(
  suffix: string,
  meaning: string,
  step: CreateStep,
  first: readonly CreateStep[] = [],
): MagicNumber {
  return { suffix, group: "HTTP", meaning, first, step };
}

function connection(
  suffix: string,
  meaning: string,
  step: CreateStep,
  first: readonly CreateStep[] = [],
): MagicNumber {
  return { suffix, group: "Connection", meaning, first, step };
}

function receipts(
  suffix: string,
  meaning: string,
  step: CreateStep,
  first: readonly CreateStep[] = [],
): MagicNumber {
  return { suffix, group: "Receipts", meaning, first, step };
}

/** In a list only after this, later than a careful caller's settling pause. */
const lag = { listLagMs: 5_000 };

/**
 * The last four digits of the number choose what happens, in any country: 9, then the last three
 * digits of Twilio's code or of the HTTP status, or 97xx for the connection and 98xx for receipts.
 * Of 9500 and 9501, 9710 and 9711, 9720 and 9721 the second is accepted in spite of its answer.
 * Every other number is delivered.
 */
export const magicNumbers: readonly MagicNumber[] = [
  undelivered(30003, "handset unreachable"),
  undelivered(30005, "unknown handset"),
  undelivered(30006, "landline or unreachable carrier"),
  failed(30007, "filtered by the carrier"),
  undelivered(30034, "the sender is not registered with the carriers"),
  failed(30036, "validity period expired in the queue"),

  refused(21211, "invalid number"),
  refused(21408, "region not enabled"),
  refused(21610, "recipient opted out"),
  refused(21612, "cannot be reached from this sender"),
  refused(21614, "not a mobile number"),
  refused(21635, "a landline"),

  misconfigured(21267, "an alphanumeric sender, on a trial account"),
  misconfigured(21606, "the sender cannot send messages"),
  misconfigured(21611, "the sender's queue is full"),
  misconfigured(21659, "the sender is not one of Twilio's"),
  misconfigured(21660, "the sender belongs to another account"),
  misconfigured(21661, "the sender is not enabled for SMS"),
  misconfigured(21704, "the Messaging Service has no senders"),
  misconfigured(90010, "the account is not active"),

  http("9307", "307 to another place, nothing accepted", { kind: "redirect" }),
  http("9401", "401 with 20003, as if the credentials were wrong", { kind: "status", status: 401 }),
  http("9429", "429 with 20429, always", { kind: "status", status: 429 }),
  http("9430", "429 with 20429 once, then accepted", accept, [{ kind: "status", status: 429 }]),
  http("9500", "500, nothing accepted", { kind: "status", status: 500 }),
  http("9501", "500, but accepted all the same", { kind: "status", status: 500, accept: true }),
  http("9502", "502 with an HTML page, nothing accepted", { kind: "status", status: 502, body: "html" }),
  http("9503", "503 with 20503, nothing accepted", { kind: "status", status: 503 }),

  connection("9700", "accepted and answered after 3 s", { kind: "latency", ms: 3_000 }),
  connection("9710", "never answered, nothing accepted", { kind: "hang_before_accept" }),
  connection("9711", "accepted, never answered", { kind: "hang_after_accept" }),
  connection("9712", "accepted, the first call never answered", accept, [{ kind: "hang_after_accept" }]),
  connection("9720", "connection reset, nothing accepted", { kind: "reset_before_accept" }),
  connection("9721", "accepted, then connection reset", { kind: "reset_after_accept" }),
  connection("9731", "accepted, the 201 cut off half way", { kind: "truncated" }),
  connection("9741", "accepted, a 201 with an empty body", { kind: "empty" }),
  connection("9751", "accepted, the 201 drips in over some 10 s", { kind: "drip" }),

  receipts("9810", "delivered, receipts 10 s late", {
    kind: "accept",
    delivery: { receiptDelayMs: 10_000 },
  }),
  receipts("9820", "delivered, every receipt twice", { kind: "accept", delivery: { receiptCopies: 2 } }),
  receipts("9830", "delivered, receipts out of order", {
    kind: "accept",
    delivery: { receipts: "reversed" },
  }),
  receipts("9840", "delivered, no receipts", { kind: "accept", delivery: { receipts: "none" } }),
  receipts("9841", "stays at sent: the carrier gives no delivery receipt", {
    kind: "accept",
    delivery: { outcome: "sent" },
  }),
  receipts("9850", "first call accepted but not answered; in the list only after 5 s", accept, [
    { kind: "hang_after_accept", delivery: lag },
  ]),
  receipts("9860", "the same after 12 s, and without receipts: a second message cannot be avoided", accept, [
    { kind: "hang_after_accept", delivery: { ...lag, listLagMs: 12_000, receipts: "none" } },
  ]),
];

const bySuffix = new Map(magicNumbers.map((number) => [number.suffix, number]));

/** Texts whose first calls are remembered; older ones start over. */
const rememberedTexts = 1_000;

/** Chooses the step of a call by its number; remembers which texts it has seen, for steps that come once. */
export class MagicNumbers {
  readonly #calls = new Map<string, number>();

  stepFor(to: string, body: string): CreateStep {
    const magic = bySuffix.get(to.slice(-4));
    if (magic === undefined) return accept;
    if (magic.first === undefined || magic.first.length === 0) return magic.step;
    return magic.first[this.#countCall(`${to}\n${body}`)] ?? magic.step;
  }

  /** How many calls with this text came before. */
  #countCall(text: string): number {
    const before = this.#calls.get(text) ?? 0;
    this.#calls.delete(text);
    this.#calls.set(text, before + 1);
    const oldest = this.#calls.keys().next();
    if (this.#calls.size > rememberedTexts && !oldest.done) this.#calls.delete(oldest.value);
    return before;
  }
}
