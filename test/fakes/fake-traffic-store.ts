import {
  type CallerTraffic,
  isSuspicious,
  type PrefixTraffic,
  type Suspects,
  type suspicions,
  type TrafficStore,
} from "../../src/domain/pumping.ts";

/** What replicas share, in memory; the hour is as long as the test. */
export class FakeTrafficStore implements TrafficStore {
  readonly prefixes = new Map<string, PrefixTraffic>();
  readonly callers = new Map<string, CallerTraffic>();
  #away = false;

  failNext(): void {
    this.#away = true;
  }

  async add(prefixes: readonly PrefixTraffic[], callers: readonly CallerTraffic[]): Promise<void> {
    const away = this.#away;
    this.#away = false;
    if (away) throw new Error("the database is away");
    for (const added of prefixes) sum(this.prefixes, added.prefix, added);
    for (const added of callers) sum(this.callers, added.caller, added);
  }

  async suspects({ prefix, smallPrefixes, caller }: typeof suspicions): Promise<Suspects> {
    const least = Math.min(...prefix.map(({ messages }) => messages));
    const countries = new Map<string, { country: string; messages: number; completions: number }>();
    for (const { country, messages, completions } of this.prefixes.values()) {
      if (messages < least && country !== "home") sum(countries, country, { country, messages, completions });
    }
    return {
      prefixes: [...this.prefixes.values()].filter((one) => prefix.some((bound) => isSuspicious(one, bound))),
      countries: [...countries.values()].filter((one) => isSuspicious(one, smallPrefixes)),
      callers: [...this.callers.values()].filter((one) => isSuspicious(one, caller)),
    };
  }
}

function sum<T extends { messages: number; completions: number }>(
  sums: Map<string, T>,
  key: string,
  added: T,
): void {
  const before = sums.get(key);
  const messages = (before?.messages ?? 0) + added.messages;
  sums.set(key, { ...added, messages, completions: (before?.completions ?? 0) + added.completions });
}
