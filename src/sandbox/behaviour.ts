import type { DeliveryPlan } from "./steps.ts";

/** How the double behaves where neither a plan nor the number says otherwise. May be changed while it runs. */
export type Behaviour = Omit<DeliveryPlan, "outcome" | "errorCode"> & {
  /** Added before every answer. */
  latencyMs: number;
  /** Whether numbers choose what happens; off for load with random numbers. */
  magicNumbers: boolean;
  /** Message Redaction is on for the account: reads answer an empty body. */
  redactsBodies: boolean;
  /** Creates beyond this many at once are answered 429. */
  maxConcurrentRequests: number;
};

export const defaultBehaviour: Readonly<Behaviour> = {
  queueMs: 100,
  deliverMs: 400,
  receipts: "in_order",
  receiptCopies: 1,
  receiptDelayMs: 0,
  listLagMs: 0,
  latencyMs: 0,
  magicNumbers: true,
  redactsBodies: false,
  maxConcurrentRequests: Number.POSITIVE_INFINITY,
};

export function deliveryPlan(behaviour: Behaviour, changes: Partial<DeliveryPlan> = {}): DeliveryPlan {
  const { queueMs, deliverMs, receipts, receiptCopies, receiptDelayMs, listLagMs } = behaviour;
  return {
    outcome: "delivered",
    errorCode: null,
    queueMs,
    deliverMs,
    receipts,
    receiptCopies,
    receiptDelayMs,
    listLagMs,
    ...changes,
  };
}
