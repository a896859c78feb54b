import type { CreateStep, DeliveryPlan, LookupStep } from "../../src/sandbox/steps.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";

/** A fraction from 0 up to 1; the same seed gives the same row of them (mulberry32). */
export type Fraction = () => number;

export function seeded(seed: number): Fraction {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<T>(fraction: Fraction, items: readonly T[]): T {
  const item = items[Math.floor(fraction() * items.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

export interface FaultOptions {
  /** Look-ups fail too, so that outcomes stay unknown for seconds. */
  readonly lookUps: boolean;
  /** Some calls are accepted only after the settling pause: a second message that cannot be avoided. */
  readonly slipping: boolean;
}

const passing: readonly CreateStep[] = [
  { kind: "hang_before_accept" },
  { kind: "hang_after_accept" },
  { kind: "reset_before_accept" },
  { kind: "reset_after_accept" },
  { kind: "status", status: 429 },
  { kind: "status", status: 500 },
  { kind: "status", status: 500, accept: true },
  { kind: "status", status: 502, body: "html" },
  { kind: "status", status: 503 },
  { kind: "truncated" },
  { kind: "empty" },
  { kind: "drip" },
  { kind: "latency", ms: 100 },
  { kind: "late_answer", ms: 1_000 },
];

const lasting: readonly CreateStep[] = [
  { kind: "refuse", code: 21610 },
  { kind: "status", status: 429 },
  { kind: "reset_before_accept" },
];

const lookUpFaults: readonly LookupStep[] = [
  { kind: "status", status: 503 },
  { kind: "hang" },
  { kind: "reset" },
  { kind: "truncated" },
];

const deliveries: readonly Partial<DeliveryPlan>[] = [
  { receipts: "none" },
  { receipts: "reversed", receiptCopies: 2 },
  { outcome: "undelivered", errorCode: 30003 },
  { outcome: "failed", errorCode: 30007 },
  { receiptDelayMs: 500 },
];

/** Longer than the timeout of a call and the settling pause after it. */
const slippingMs = 1_500;

/**
 * Decides what the calls about one number meet, before the first of them.
 * @returns `silent` where no receipt may be waited for
 */
export function planFaults(
  double: TwilioDouble,
  to: string,
  fraction: Fraction,
  options: FaultOptions,
): "silent" | "told" {
  const chance = fraction();
  if (options.lookUps && fraction() < 0.1) double.planLookups(to, [pick(fraction, lookUpFaults)]);
  if (chance < 0.06) {
    double.plan(to, [pick(fraction, lasting)], { repeatLast: true });
    return "told";
  }
  if (options.slipping && chance < 0.08) {
    double.plan(to, [{ kind: "latency", ms: slippingMs }]);
    return "told";
  }
  const steps: CreateStep[] = [];
  if (chance < 0.5) steps.push(pick(fraction, passing));
  if (chance < 0.2) steps.push(pick(fraction, passing));
  const delivery = fraction() < 0.4 ? pick(fraction, deliveries) : {};
  const last = steps.pop() ?? { kind: "accept" as const };
  double.plan(to, [...steps, isAccepting(last) ? { ...last, delivery } : last]);
  return delivery.receipts === "none" ? "silent" : "told";
}

function isAccepting(step: CreateStep): step is Extract<CreateStep, { delivery?: Partial<DeliveryPlan> }> {
  return !["hang_before_accept", "reset_before_accept", "refuse", "redirect"].includes(step.kind);
}
