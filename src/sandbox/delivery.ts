import type { MessageStatus, SandboxMessage } from "./sandbox-message.ts";
import type { StatusCallbacks } from "./status-callbacks.ts";
import type { DeliveryPlan } from "./steps.ts";
import type { TimerGroup } from "./timers.ts";

const validityPeriodExpired = 30036;

type Deps = {
  timers: TimerGroup;
  clock: () => number;
  callbacks: StatusCallbacks;
  changed: (message: SandboxMessage) => void;
};

/** Takes accepted messages through their statuses: queued, sent, then delivered, undelivered or failed. */
export class Delivery {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  start(message: SandboxMessage, plan: DeliveryPlan): void {
    if (message.status === "scheduled") return;
    const tell = this.#receipts(message, plan);
    const { timers } = this.#deps;
    const validMs = message.validityPeriod * 1000;
    const isExpired = plan.queueMs > validMs;

    if (message.status === "accepted") {
      timers.after(Math.min(plan.queueMs, validMs) / 2, () => {
        this.#move(message, "queued");
        tell("queued", false);
      });
    }
    timers.after(isExpired ? validMs : plan.queueMs, () => {
      if (isExpired || plan.outcome === "failed") {
        message.errorCode = isExpired ? validityPeriodExpired : plan.errorCode;
        this.#finish(message, "failed");
        tell("failed", true);
        return;
      }
      this.#move(message, "sent");
      tell("sent", plan.outcome === "sent");
      timers.after(plan.deliverMs, () => {
        message.errorCode = plan.errorCode;
        this.#finish(message, plan.outcome);
        if (plan.outcome !== "sent") tell(plan.outcome, true);
      });
    });
  }

  #move(message: SandboxMessage, status: MessageStatus): void {
    const now = this.#deps.clock();
    message.status = status;
    message.updatedAt = now;
    if (status === "sent") message.sentAt ??= now;
    this.#deps.changed(message);
  }

  #finish(message: SandboxMessage, status: MessageStatus): void {
    message.final = true;
    this.#move(message, status);
  }

  /** Callbacks of one message follow one another, in order or with the last status first. */
  #receipts(message: SandboxMessage, plan: DeliveryPlan): (status: MessageStatus, isLast: boolean) => void {
    if (message.statusCallback === null || plan.receipts === "none") return () => {};
    let chain = Promise.resolve();
    const held: MessageStatus[] = [];
    return (status, isLast) => {
      if (plan.receipts === "reversed" && !isLast) {
        held.unshift(status);
        return;
      }
      const due = [status, ...held];
      this.#deps.timers.after(plan.receiptDelayMs, () => {
        for (const told of due) {
          for (let copy = 0; copy < plan.receiptCopies; copy += 1) {
            chain = chain.then(() => this.#deps.callbacks.post(message, told));
          }
        }
      });
    };
  }
}
