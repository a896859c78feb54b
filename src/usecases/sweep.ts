import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import type { DeliveryStore } from "../domain/stores.ts";
import type { DueMessage, UpkeepStore } from "../domain/upkeep-store.ts";
import type { DeliverChallenge } from "./deliver-challenge.ts";
import type { InFlight } from "./in-flight.ts";
import type { PumpingGuard } from "./pumping-guard.ts";

/** What is done at the provider once a message is over; `later` comes again after a pause. */
export interface MessageUpkeep {
  /** Tells the provider that the code was used. */
  confirm(message: DueMessage, signal: AbortSignal): Promise<"done" | "later">;
  /** Removes the text at the provider. */
  redact(message: DueMessage, signal: AbortSignal): Promise<"done" | "later">;
}

interface Deps {
  readonly deliveries: DeliveryStore;
  readonly upkeep: UpkeepStore;
  readonly deliver: DeliverChallenge;
  readonly inFlight: InFlight;
  readonly messages: MessageUpkeep;
  /** Undefined: off. */
  readonly pumping?: PumpingGuard | undefined;
  /** Further steps by name; each does one batch and says how many rows it found. */
  readonly chores?: Readonly<Record<string, (signal: AbortSignal) => Promise<number>>>;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly leaseMs: number;
  readonly everyMs: number;
}

/** Rows per batch and step: short transactions, and no replica takes more than it can work on. */
const batch = 50;
/** Between two tries to confirm or redact a message. */
const againMs = 5 * 60_000;

/** Does what falls due without a caller, in every replica: leases that ran out, expiry, erasure, upkeep. */
export class Sweep {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Sweeps until the signal fires; a step that fails is tried again with the next round. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, everyMs } = this.#deps;
    const repeat = async (round: () => Promise<void>) => {
      while (!signal.aborted) {
        await round();
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    };
    // A provider that hangs must not hold up leases and expiry.
    await Promise.all([
      repeat(() => this.#withDatabase()),
      repeat(() => this.#withProvider(signal)),
      repeat(() => this.#chores(signal)),
    ]);
  }

  async once(signal: AbortSignal): Promise<void> {
    await this.#withDatabase();
    await this.#withProvider(signal);
    await this.#chores(signal);
  }

  async #chores(signal: AbortSignal): Promise<void> {
    for (const [step, chore] of Object.entries(this.#deps.chores ?? {})) {
      if (!signal.aborted) await this.#step(step, () => chore(signal));
    }
  }

  async #withDatabase(): Promise<void> {
    const { observer, upkeep } = this.#deps;
    await this.#step("take_over", () => this.#takeOver());
    await this.#step("expire", async () => {
      const count = await upkeep.expire(batch);
      if (count > 0) observer.observe({ type: "signature_closed", status: "expired", count });
      return count;
    });
    await this.#step("erase_phone_numbers", () => upkeep.erasePhoneNumbers(batch));
    await this.#step("purge_keys", () => upkeep.purgeKeys(batch * 10));
    await this.#step("purge_guards", () => upkeep.purgeGuards(batch * 10));
    await this.#step("exchange_traffic", async () => {
      await this.#deps.pumping?.exchange();
      return 0;
    });
  }

  async #withProvider(signal: AbortSignal): Promise<void> {
    await this.#step("confirm", () => this.#confirm(signal));
    await this.#step("redact", () => this.#redact(signal));
  }

  /** Repeats a step while it finds full batches, a few times at most, so that no step starves the others. */
  async #step(step: string, run: () => Promise<number>): Promise<void> {
    try {
      for (let round = 0; round < 10; round += 1) {
        if ((await run()) < batch) return;
      }
    } catch (cause) {
      this.#deps.observer.observe({ type: "upkeep_failed", step, cause });
    }
  }

  async #takeOver(): Promise<number> {
    const { clock, deliver, deliveries, inFlight, leaseMs } = this.#deps;
    const startedAt = clock.now();
    const taken = await deliveries.takeOver(batch, leaseMs);
    for (const material of taken) {
      // Not awaited: settling takes seconds, and the next lease must not wait for it.
      void inFlight.start(material.challengeId, (stop) => deliver.takeOver(material, startedAt, stop));
    }
    return taken.length;
  }

  async #confirm(signal: AbortSignal): Promise<number> {
    const { messages, upkeep } = this.#deps;
    const due = await upkeep.dueFeedback(batch, againMs);
    await Promise.all(
      due.map(async (message) => {
        if ((await messages.confirm(message, signal)) === "done")
          await upkeep.feedbackDone(message.challengeId);
      }),
    );
    return due.length;
  }

  async #redact(signal: AbortSignal): Promise<number> {
    const { messages, upkeep } = this.#deps;
    const due = await upkeep.dueRedaction(batch, againMs);
    await Promise.all(
      due.map(async (message) => {
        if ((await messages.redact(message, signal)) === "done")
          await upkeep.redactionDone(message.challengeId);
      }),
    );
    return due.length;
  }
}
