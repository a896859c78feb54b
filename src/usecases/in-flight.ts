import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import type { DeliveryEnd } from "./delivery-run.ts";

/** Deliveries of this process that are under way: callers wait for them, and so does a shutdown. */
export class InFlight {
  readonly #deliveries = new Map<string, Promise<DeliveryEnd>>();
  readonly #stop = new AbortController();
  readonly #observer: Observer;

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  /** Runs a delivery whether or not anybody waits for it; it ends `unsettled` where it breaks. */
  start(challengeId: string, deliver: (signal: AbortSignal) => Promise<DeliveryEnd>): Promise<DeliveryEnd> {
    const delivery = deliver(this.#stop.signal)
      .catch((cause: unknown): DeliveryEnd => {
        // Cut off by end() while it waited: no fault.
        if (this.#stop.signal.aborted && cause === this.#stop.signal.reason) return { end: "unsettled" };
        this.#observer.observe({ type: "upkeep_failed", step: "deliver_challenge", cause });
        return { end: "unsettled" };
      })
      .finally(() => {
        // A stalled delivery that wakes up late must not strike off the one that took over from it.
        if (this.#deliveries.get(challengeId) === delivery) this.#deliveries.delete(challengeId);
      });
    this.#deliveries.set(challengeId, delivery);
    return delivery;
  }

  of(challengeId: string): Promise<DeliveryEnd> | undefined {
    return this.#deliveries.get(challengeId);
  }

  get size(): number {
    return this.#deliveries.size;
  }

  /** Resolves once nothing is under way any more. */
  async drained(): Promise<void> {
    while (this.#deliveries.size > 0) await Promise.all(this.#deliveries.values());
  }

  /** Waits for what is under way, and cancels what is left after `graceMs`: another replica takes it over. */
  async end(graceMs: number, clock: Clock): Promise<void> {
    const waited = new AbortController();
    await Promise.race([this.drained(), clock.sleep(graceMs, waited.signal).catch(() => undefined)]);
    waited.abort();
    this.#stop.abort();
    await this.drained();
  }
}
