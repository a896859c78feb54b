/** What becomes of a message once it is accepted. What is left out is as `Behaviour` says. */
export type DeliveryPlan = {
  /** `sent`: the carrier gives no receipts, and nothing more is heard. */
  outcome: "delivered" | "undelivered" | "failed" | "sent";
  errorCode: number | null;
  /** From acceptance to `sent` (or `failed`); longer than the ValidityPeriod and it fails with 30036. */
  queueMs: number;
  /** From `sent` to the last status. */
  deliverMs: number;
  /** Whether status callbacks are made, and whether the last status is told before `sent`. */
  receipts: "in_order" | "reversed" | "none";
  /** How often each callback is made. */
  receiptCopies: number;
  /** How much later than the status itself each callback is made. */
  receiptDelayMs: number;
  /** How long after its acceptance lists do not show the message. */
  listLagMs: number;
};

/**
 * What one create call meets. The kinds ending in `before_accept` leave no message behind, those in
 * `after_accept` do. A message is accepted even when the caller has hung up by then: Twilio does not
 * promise that an abandoned request is dropped.
 */
export type CreateStep =
  | { kind: "accept"; delivery?: Partial<DeliveryPlan> }
  /** Waits, then accepts and answers. */
  | { kind: "latency"; ms: number; delivery?: Partial<DeliveryPlan> }
  /** Accepts at once, answers later. */
  | { kind: "late_answer"; ms: number; delivery?: Partial<DeliveryPlan> }
  /** HTTP 400 with a Twilio code, or another status with it. */
  | { kind: "refuse"; code: number; status?: number }
  | StatusStep
  | { kind: "hang_before_accept" }
  | { kind: "hang_after_accept"; delivery?: Partial<DeliveryPlan> }
  | { kind: "reset_before_accept" }
  | { kind: "reset_after_accept"; delivery?: Partial<DeliveryPlan> }
  /** 201 with its whole Content-Length announced, cut off half way. */
  | { kind: "truncated"; delivery?: Partial<DeliveryPlan> }
  /** 201 without a body. */
  | { kind: "empty"; delivery?: Partial<DeliveryPlan> }
  /** 201 whose body comes `bytes` at a time, every `everyMs`. */
  | { kind: "drip"; everyMs?: number; bytes?: number; delivery?: Partial<DeliveryPlan> }
  /** 307 to the same resource; whoever follows it is accepted there. */
  | { kind: "redirect"; location?: string };

export type StatusStep = {
  kind: "status";
  status: number;
  /** The message is accepted all the same. */
  accept?: boolean;
  code?: number;
  headers?: Readonly<Record<string, string>>;
  body?: "json" | "html" | "empty";
  delivery?: Partial<DeliveryPlan>;
};

/** What one list or fetch call meets. */
export type LookupStep =
  | { kind: "answer" }
  | { kind: "latency"; ms: number }
  | Omit<StatusStep, "accept" | "delivery">
  | { kind: "hang" }
  | { kind: "reset" }
  | { kind: "truncated" }
  /** A list that shows nothing, whatever there is; a fetch answers 404. */
  | { kind: "nothing" };

/** A number, or a test of one. */
export type NumberMatch = string | ((to: string) => boolean);

/** A plan in force; `remaining` counts the steps no call has met yet. */
export type Planned = { readonly remaining: number; cancel(): void };

/** Steps laid out for the calls to a number, each met by one call, in the order of arrival. */
export class FaultPlan<Step> {
  readonly #entries = new Set<{ match: NumberMatch; steps: Step[]; repeatLast: boolean }>();

  /** @param repeatLast the last step stays in force, instead of giving way to the normal course */
  add(match: NumberMatch, steps: readonly Step[], repeatLast = false): Planned {
    const entry = { match, steps: [...steps], repeatLast };
    const entries = this.#entries;
    entries.add(entry);
    return {
      get remaining() {
        return entries.has(entry) ? entry.steps.length : 0;
      },
      cancel: () => entries.delete(entry),
    };
  }

  /** The step a call to this number meets, taken off the plan; plans made earlier come first. */
  take(to: string): Step | undefined {
    for (const entry of this.#entries) {
      if (typeof entry.match === "string" ? entry.match !== to : !entry.match(to)) continue;
      const step = entry.repeatLast && entry.steps.length === 1 ? entry.steps[0] : entry.steps.shift();
      if (entry.steps.length === 0) this.#entries.delete(entry);
      if (step !== undefined) return step;
    }
    return undefined;
  }

  clear(): void {
    this.#entries.clear();
  }
}
