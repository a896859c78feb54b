import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";
import type { Observer } from "../domain/observation.ts";
import type { PhoneNumber } from "../domain/phone-number.ts";
import {
  mayBeIn,
  numberPrefix,
  type PrefixTraffic,
  type PrefixTrafficStore,
  shownPrefix,
  suspicion,
} from "../domain/pumping.ts";

interface Deps {
  readonly traffic: PrefixTrafficStore;
  readonly clock: Clock;
  readonly observer: Observer;
  /** What becomes of new signatures for a suspected prefix. */
  readonly mode: "alert" | "refuse";
  /** ISO 3166-1 alpha-2. Never refused: an outage of a carrier looks the same, and locks customers out. */
  readonly homeCountries: ReadonlySet<string>;
}

/** Between two exchanges of counts with the other replicas. */
const everyMs = 5000;
/** What a customer needs to read and type: a message counts only then, or any rush would look like pumping. */
const settleMs = 120_000;
/** Between two alerts for one prefix. */
const alertAgainMs = 600_000;

/**
 * Notices SMS pumping: many messages to numbers of one prefix and hardly a completion. It counts in memory,
 * outside of the statements that act, and decides from memory; counts of a process that crashes are lost.
 */
export class PumpingGuard {
  readonly #deps: Deps;
  /** Messages that a customer may still be busy with, in groups of one exchange each, oldest first. */
  #unsettled: { readonly at: number; readonly messages: Map<string, number> }[] = [];
  #completions = new Map<string, number>();
  #suspected: ReadonlySet<string> = new Set();
  readonly #alertedAt = new Map<string, number>();
  #exchangedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @throws Failure DESTINATION_NOT_ALLOWED where a number's prefix is suspected and refused */
  check(number: PhoneNumber): void {
    const { mode, homeCountries } = this.#deps;
    if (mode === "alert" || !this.#suspected.has(numberPrefix(number.e164))) return;
    if (mayBeIn(homeCountries, number)) return;
    throw new Failure("DESTINATION_NOT_ALLOWED", "messages to this range of numbers are not allowed");
  }

  /** A message was recorded, which is about to be sent. */
  sent(e164: string): void {
    const now = this.#deps.clock.now();
    let group = this.#unsettled.at(-1);
    if (group === undefined || now >= group.at + everyMs) {
      group = { at: now, messages: new Map() };
      this.#unsettled.push(group);
    }
    count(group.messages, numberPrefix(e164), 1);
  }

  completed(e164: string): void {
    count(this.#completions, numberPrefix(e164), 1);
  }

  /** Adds what was counted to what all replicas have, and reads what to suspect; no more often than every 5 s. */
  async exchange(): Promise<void> {
    const { clock, traffic } = this.#deps;
    const now = clock.now();
    if (now < this.#exchangedAt + everyMs) return;
    this.#exchangedAt = now;
    const settled = this.#unsettled.filter(({ at }) => at <= now - settleMs);
    const completions = this.#completions;
    const counted = settled.length + completions.size > 0;
    if (counted) {
      this.#unsettled = this.#unsettled.filter((group) => !settled.includes(group));
      this.#completions = new Map();
      try {
        await traffic.add(summed(settled, completions));
      } catch (error) {
        this.#unsettled.unshift(...settled);
        for (const [prefix, times] of completions) count(this.#completions, prefix, times);
        throw error;
      }
    }
    const suspected = await traffic.suspected(suspicion);
    this.#suspected = new Set(suspected.map(({ prefix }) => prefix));
    this.#alert(suspected, now);
  }

  #alert(suspected: readonly PrefixTraffic[], now: number): void {
    for (const [prefix, at] of this.#alertedAt) {
      if (now >= at + alertAgainMs) this.#alertedAt.delete(prefix);
    }
    for (const { prefix, messages, completions } of suspected) {
      if (this.#alertedAt.has(prefix)) continue;
      this.#alertedAt.set(prefix, now);
      this.#deps.observer.observe({
        type: "pumping_suspected",
        prefix: shownPrefix(prefix),
        messages,
        completions,
      });
    }
  }
}

function summed(
  groups: readonly { readonly messages: ReadonlyMap<string, number> }[],
  completions: ReadonlyMap<string, number>,
): PrefixTraffic[] {
  const messages = new Map<string, number>();
  for (const group of groups) for (const [prefix, times] of group.messages) count(messages, prefix, times);
  const prefixes = [...new Set([...messages.keys(), ...completions.keys()])];
  return prefixes.map((prefix) => ({
    prefix,
    messages: messages.get(prefix) ?? 0,
    completions: completions.get(prefix) ?? 0,
  }));
}

function count(counts: Map<string, number>, prefix: string, times: number): void {
  counts.set(prefix, (counts.get(prefix) ?? 0) + times);
}
