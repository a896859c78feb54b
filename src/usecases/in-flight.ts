import type { DeliveryEnd } from "./deliver-challenge.ts";

/** Deliveries of this process that are under way: callers wait for them, and so does a shutdown. */
export class InFlight {
  readonly #deliveries = new Map<string, Promise<DeliveryEnd>>();
  readonly #stop = new AbortController();

  /** Runs a delivery whether or not anybody waits for it; it ends `unsettled` where it breaks. */
  start(challengeId: string, deliver: (signal: AbortSignal) => Promise<DeliveryEnd>): Promise<DeliveryEnd> {
    const delivery = deliver(this.#stop.signal)
      .catch((): DeliveryEnd => ({ end: "unsettled" }))
      .finally(() => this.#deliveries.delete(challengeId));
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

  /** Cancels what is still under way; another replica takes it over when its lease has run out. */
  stop(): void {
    this.#stop.abort();
  }
}
