import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import type { DeliveryStore } from "../domain/stores.ts";
import type { DueMessage, UpkeepStore, UpkeepTask } from "../domain/upkeep-store.ts";
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
  readonly pumping: PumpingGuard | undefined;
  /** Further steps by name; each does one batch and says how many rows it found. */
  readonly chores: Readonly<Record<string, (signal: AbortSignal) => Promise<number>>>;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly leaseMs: number;
  readonly everyMs: number;
}

/** Rows per batch and step: short transactions, and no replica takes more than it can work on. */
const batch = 50;
/** Between two tries to confirm or redact a message. */
const againMs = 5 * 60_000;
/** Between two tries of a look-up: it cannot wait, its phone number goes ten minutes after the closure. */
const lookAgainMs = 30_000;

/** Does what falls due without a caller, in every replica: leases that ran out, expiry, erasure, upkeep. */
export class Sweep {
  readonly #deps: Deps;
  readonly #failing = new Set<string>();

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
    for (const [step, chore] of Object.entries(this.#deps.chores)) {
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
    await this.#step("erase_phone_guards", () => upkeep.erasePhoneGuards(batch));
    await this.#step("purge_keys", () => upkeep.purgeKeys(batch * 10));
    await this.#step("purge_guards", () => upkeep.purgeGuards(batch * 10));
    await this.#step("exchange_traffic", async () => {
      await this.#deps.pumping?.exchange();
      return 0;
    });
  }

  async #withProvider(signal: AbortSignal): Promise<void> {
    const { messages } = this.#deps;
    await this.#step("confirm", () =>
      this.#messages("feedback", (...due) => messages.confirm(...due), signal),
    );
    await this.#step("redact", () =>
      this.#messages("redaction", (...due) => messages.redact(...due), signal),
    );
    await this.#step("last_look_up", () => this.#lookUps(signal));
  }

  /** Repeats a step while it finds full batches, a few times at most, so that no step starves the others. */
  async #step(step: string, run: () => Promise<number>): Promise<void> {
    try {
      for (let round = 0; round < 10; round += 1) {
        if ((await run()) < batch) break;
      }
      if (this.#failing.delete(step)) this.#deps.observer.observe({ type: "upkeep_recovered", step });
    } catch (cause) {
      this.#failing.add(step);
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

  /** Does at the provider what is due for the messages of each challenge. */
  async #messages(
    task: UpkeepTask,
    ask: (message: DueMessage, signal: AbortSignal) => Promise<"done" | "later">,
    signal: AbortSignal,
  ): Promise<number> {
    const { upkeep } = this.#deps;
    const due = await upkeep.due(task, batch, againMs);
    await Promise.all(
      due.map(async ({ claim, messages }) => {
        const ends = await Promise.all(messages.map((message) => ask(message, signal)));
        if (ends.every((end) => end === "done")) await upkeep.done(task, claim);
      }),
    );
    return due.length;
  }

  async #lookUps(signal: AbortSignal): Promise<number> {
    const { clock, deliver, upkeep } = this.#deps;
    const startedAt = clock.now();
    const due = await upkeep.dueLookUps(batch, lookAgainMs);
    const looks = due.map(async ({ claim, material }) => {
      await deliver.lookForDuplicates(material, startedAt, signal);
      await upkeep.lookedUpAgain(claim);
    });
    await Promise.all(looks).catch((error: unknown) => {
      // At a shutdown they are left to another replica.
      if (!signal.aborted) throw error;
    });
    return due.length;
  }
}
