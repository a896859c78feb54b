import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";
import type { Observer } from "../domain/observation.ts";
import type { PhoneNumber } from "../domain/phone-number.ts";
import {
  burst,
  countryOf,
  isSuspicious,
  mayBeIn,
  numberPrefix,
  shownPrefix,
  suspicions,
  type Traffic,
  type TrafficStore,
} from "../domain/pumping.ts";
import { type Counted, TrafficWindow } from "./traffic-window.ts";

interface Deps {
  readonly traffic: TrafficStore;
  readonly clock: Clock;
  readonly observer: Observer;
  /** What becomes of new messages to what is suspected. */
  readonly mode: "alert" | "refuse";
  /** ISO 3166-1 alpha-2. Never refused: an outage of a carrier looks the same, and locks customers out. */
  readonly homeCountries: ReadonlySet<string>;
}

interface Suspect extends Traffic {
  readonly kind: "prefix" | "country" | "caller";
  readonly name: string;
}

/** Between two exchanges of counts with the other replicas. */
const everyMs = 5000;
/** What a customer needs to read and type: a message counts only then, or any rush would look like pumping. */
const settleMs = 120_000;
/** Between two alerts for one suspect. */
const alertAgainMs = 600_000;

/**
 * Notices SMS pumping by the share of messages that are completed. It counts in memory, outside of the statements
 * that act, and decides from memory; counts of a process that crashes are lost.
 */
export class PumpingGuard {
  readonly #deps: Deps;
  readonly #window: TrafficWindow;
  #prefixes: ReadonlySet<string> = new Set();
  #countries: ReadonlySet<string> = new Set();
  #callers: ReadonlySet<string> = new Set();
  readonly #alertedAt = new Map<string, number>();
  #exchangedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#window = new TrafficWindow(deps.clock, settleMs);
  }

  /** @throws Failure DESTINATION_NOT_ALLOWED where the number's prefix, its country or the caller is suspected */
  check(number: PhoneNumber, caller: string): void {
    const { mode, homeCountries } = this.#deps;
    const prefix = numberPrefix(number.e164);
    if (mayBeIn(homeCountries, number)) return;
    const atHand = this.#window.atHand(prefix);
    const isBurst = isSuspicious(atHand, burst);
    if (isBurst) this.#alert({ kind: "prefix", name: prefix, ...atHand });
    if (mode === "alert") return;
    if (isBurst || this.#prefixes.has(prefix) || this.#countries.has(countryOf(number))) {
      throw new Failure("DESTINATION_NOT_ALLOWED", "messages to this range of numbers are not allowed");
    }
    if (this.#callers.has(caller)) {
      throw new Failure(
        "DESTINATION_NOT_ALLOWED",
        "messages of this caller to numbers abroad are not allowed",
      );
    }
  }

  /** A message was recorded, which is about to be sent. */
  sent(number: PhoneNumber, caller: string): void {
    this.#window.count(this.#counted(number, caller), "messages");
  }

  completed(number: PhoneNumber, caller: string): void {
    this.#window.count(this.#counted(number, caller), "completions");
  }

  #counted(number: PhoneNumber, caller: string): Counted {
    const isHome = mayBeIn(this.#deps.homeCountries, number);
    return {
      prefix: numberPrefix(number.e164),
      country: isHome ? "home" : countryOf(number),
      callerAbroad: isHome ? "" : caller,
    };
  }

  /** Adds what was counted to what all replicas have, and reads what to suspect; no more often than every 5 s. */
  async exchange(): Promise<void> {
    const { clock, traffic } = this.#deps;
    const now = clock.now();
    if (now < this.#exchangedAt + everyMs) return;
    this.#exchangedAt = now;
    const { prefixes, callers, putBack } = this.#window.takeSettled();
    if (prefixes.length > 0) {
      try {
        await traffic.add(prefixes, callers);
      } catch (error) {
        putBack();
        throw error;
      }
    }
    const suspects = await traffic.suspects(suspicions);
    this.#prefixes = new Set(suspects.prefixes.map(({ prefix }) => prefix));
    this.#countries = new Set(suspects.countries.map(({ country }) => country));
    this.#callers = new Set(suspects.callers.map(({ caller }) => caller));
    for (const [suspect, at] of this.#alertedAt) {
      if (now >= at + alertAgainMs) this.#alertedAt.delete(suspect);
    }
    for (const { prefix, ...sums } of suspects.prefixes)
      this.#alert({ kind: "prefix", name: prefix, ...sums });
    for (const { country, ...sums } of suspects.countries) {
      this.#alert({ kind: "country", name: country, ...sums });
    }
    for (const { caller, ...sums } of suspects.callers)
      this.#alert({ kind: "caller", name: caller, ...sums });
  }

  #alert({ kind, name, messages, completions }: Suspect): void {
    const suspect = `${kind} ${name}`;
    if (this.#alertedAt.has(suspect)) return;
    this.#alertedAt.set(suspect, this.#deps.clock.now());
    this.#deps.observer.observe({
      type: "pumping_suspected",
      ...{ kind, name: kind === "prefix" ? shownPrefix(name) : name, messages, completions },
    });
  }
}
