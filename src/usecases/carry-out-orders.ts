import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";
import type { Observer } from "../domain/observation.ts";
import { mostBlockSeconds, type OperatorOrder, type OperatorOrderStore } from "../domain/operator-order.ts";
import { personalData } from "../domain/personal-data.ts";
import type { DeliveryStore } from "../domain/stores.ts";
import type { AbortSignature } from "./abort-signature.ts";
import type { DeliverChallenge } from "./deliver-challenge.ts";
import type { InFlight } from "./in-flight.ts";
import type { SendChallenge } from "./send-challenge.ts";

/** The operator's override of a provider's circuit breaker in this process. */
export interface BreakerSwitch {
  readonly provider: string;
  open(): void;
  close(): void;
}

interface Deps {
  readonly orders: OperatorOrderStore;
  readonly abortSignature: AbortSignature;
  readonly sendChallenge: SendChallenge;
  readonly deliveries: DeliveryStore;
  readonly deliver: DeliverChallenge;
  readonly inFlight: InFlight;
  readonly breakers: readonly BreakerSwitch[];
  readonly clock: Clock;
  readonly observer: Observer;
  readonly calls: number;
  readonly leaseMs: number;
}

/** How long an order to send waits for the provider before its result says that it goes on. */
const waitMs = 20_000;
/** How long an order that fails is tried again, each minute. */
const triesMs = 10 * 60_000;

/** Carries out what operators ordered, through the use cases that callers use. */
export class CarryOutOrders {
  readonly #deps: Deps;
  readonly #breakerOrders = new Map<string, string>();
  readonly #underWay = new Set<Promise<void>>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Begins what was ordered since, at most so many at once. Nobody waits for their ends here: a message to a
   * provider that hangs must not hold up the order to open its breaker.
   * @returns how many it began
   */
  async once(limit: number): Promise<number> {
    const { breakers, observer, orders } = this.#deps;
    for (const breaker of breakers) await this.#switch(breaker);
    const free = limit - this.#underWay.size;
    if (free <= 0) return 0;
    const taken = await orders.take(free);
    for (const order of taken) {
      const work = this.#settle(order)
        .catch((cause: unknown) =>
          observer.observe({ type: "upkeep_failed", step: "carry_out_orders", cause }),
        )
        .finally(() => this.#underWay.delete(work));
      this.#underWay.add(work);
    }
    return taken.length;
  }

  /** Resolves once nothing that was begun is under way any more. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #settle(order: OperatorOrder): Promise<void> {
    const result = await this.#carryOut(order).catch((error: unknown) => {
      // A refusal is the order's result; anything else is tried again when the minute is over.
      if (error instanceof Failure && error.reason !== "SERVICE_UNAVAILABLE")
        return `refused: ${error.reason}`;
      if (order.ageMs < triesMs) throw error;
      this.#deps.observer.observe({ type: "upkeep_failed", step: "carry_out_orders", cause: error });
      return "refused: it failed for ten minutes; the service's log has the fault";
    });
    await this.#deps.orders.done(order, result);
  }

  async #carryOut(order: OperatorOrder): Promise<string> {
    const { abortSignature, orders, sendChallenge } = this.#deps;
    const { caller, signatureId, orderedBy } = order;
    const { seconds } = order;
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > mostBlockSeconds)
      return `refused: seconds must be a whole number up to ${mostBlockSeconds}`;
    switch (order.command) {
      case "abort": {
        // The tool has refused it: this one was inserted without it.
        const personal = personalData(order.note);
        if (personal !== undefined) return `refused: the note must hold no personal data: it has ${personal}`;
        const note = order.note === "" ? orderedBy : `${orderedBy}: ${order.note}`;
        await abortSignature.execute({ caller, signatureId, reason: "operator", note });
        return "aborted";
      }
      case "resend": {
        // The order's id is the idempotency key: an order that is taken twice sends once.
        const command = { caller, signatureId, channel: undefined, idempotencyKey: order.id, orderedBy };
        const { signature } = await sendChallenge.execute(command, waitMs);
        return `challenge ${signature.challenge.id} ${signature.challenge.status}`;
      }
      case "requeue":
        return await this.#requeue(order);
      case "block-customer":
      case "free-customer":
        return (await orders.block(signatureId, "customer", order.seconds))
          ? "done"
          : "nothing done: the customer of this signature was forgotten";
      case "block-number":
      case "free-number":
        return (await orders.block(signatureId, "number", order.seconds))
          ? "done"
          : "nothing done: the signature is closed, and its number is erased";
    }
  }

  async #requeue({ signatureId, orderedBy }: OperatorOrder): Promise<string> {
    const { calls, clock, deliver, deliveries, inFlight, leaseMs, orders } = this.#deps;
    const challengeId = await orders.givenUpChallenge(signatureId);
    if (challengeId === undefined) return "nothing was given up";
    const startedAt = clock.now();
    const material = await deliveries.takeUp(challengeId, calls, leaseMs, orderedBy);
    if (material === undefined) return "another replica has it";
    const { end } = await inFlight.start(challengeId, (signal) => deliver.again(material, startedAt, signal));
    return `challenge ${challengeId} ${end}`;
  }

  /** Each replica follows the latest order about a breaker once. */
  async #switch(breaker: BreakerSwitch): Promise<void> {
    const latest = await this.#deps.orders.breaker(breaker.provider);
    if (latest === undefined || this.#breakerOrders.get(breaker.provider) === latest.id) return;
    this.#breakerOrders.set(breaker.provider, latest.id);
    if (latest.order === "open") breaker.open();
    else breaker.close();
  }
}
