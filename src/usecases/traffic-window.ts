import type { Clock } from "../domain/clock.ts";
import type { CallerTraffic, PrefixTraffic, Traffic } from "../domain/pumping.ts";

/** One message or completion: what it is counted under. */
export interface Counted {
  readonly prefix: string;
  readonly country: string;
  /** Empty for a number in a home country. */
  readonly callerAbroad: string;
}

type Kind = "messages" | "completions";

interface Group {
  readonly at: number;
  readonly messages: Counted[];
  readonly completions: Counted[];
  /** Completions of it that the other replicas have been told of. */
  told: number;
}

/** Length of a group; the times of a window are exact to it. */
const groupMs = 5_000;

/**
 * What this process has seen of late. The other replicas are told of a message once its customer has had time to read
 * and type, of a completion at once. Sums by prefix cover the messages at hand and what was completed meanwhile.
 */
export class TrafficWindow {
  readonly #clock: Pick<Clock, "now">;
  readonly #settleMs: number;
  #groups: Group[] = [];
  readonly #atHand = new Map<string, { messages: number; completions: number }>();

  constructor(clock: Pick<Clock, "now">, settleMs: number) {
    this.#clock = clock;
    this.#settleMs = settleMs;
  }

  count(counted: Counted, kind: Kind): void {
    const now = this.#clock.now();
    let group = this.#groups.at(-1);
    if (group === undefined || now >= group.at + groupMs) {
      group = { at: now, messages: [], completions: [], told: 0 };
      this.#groups.push(group);
    }
    group[kind].push(counted);
    this.#sum([counted], kind, 1);
  }

  /** The messages to this prefix that are at hand, and what was completed meanwhile. */
  atHand(prefix: string): Traffic {
    return this.#atHand.get(prefix) ?? { messages: 0, completions: 0 };
  }

  /** Takes out what the other replicas may be told; `putBack` where they could not be. */
  takeSettled(): { prefixes: PrefixTraffic[]; callers: CallerTraffic[]; putBack(): void } {
    const until = this.#clock.now() - this.#settleMs;
    const settled = this.#groups.filter(({ at }) => at <= until);
    const told = this.#groups.map((group) => ({ group, before: group.told }));
    const messages = settled.flatMap((group) => group.messages);
    const completions = told.flatMap(({ group, before }) => group.completions.slice(before));
    const move = (times: 1 | -1) => {
      for (const group of settled) {
        this.#sum(group.messages, "messages", times);
        this.#sum(group.completions, "completions", times);
      }
    };
    this.#groups = this.#groups.slice(settled.length);
    for (const { group } of told) group.told = group.completions.length;
    move(-1);
    return {
      ...summed(messages, completions),
      putBack: () => {
        for (const { group, before } of told) group.told = before;
        this.#groups = [...settled, ...this.#groups];
        move(1);
      },
    };
  }

  #sum(counted: readonly Counted[], kind: Kind, times: number): void {
    for (const { prefix } of counted) {
      const sum = this.#atHand.get(prefix) ?? { messages: 0, completions: 0 };
      sum[kind] += times;
      if (sum.messages === 0 && sum.completions === 0) this.#atHand.delete(prefix);
      else this.#atHand.set(prefix, sum);
    }
  }
}

function summed(
  messages: readonly Counted[],
  completions: readonly Counted[],
): { prefixes: PrefixTraffic[]; callers: CallerTraffic[] } {
  const prefixes = new Map<string, Mutable<PrefixTraffic>>();
  const callers = new Map<string, Mutable<CallerTraffic>>();
  for (const [kind, events] of [
    ["messages", messages],
    ["completions", completions],
  ] as const) {
    for (const { prefix, country, callerAbroad: caller } of events) {
      entry(prefixes, prefix, { prefix, country, messages: 0, completions: 0 })[kind] += 1;
      if (caller !== "") entry(callers, caller, { caller, messages: 0, completions: 0 })[kind] += 1;
    }
  }
  return { prefixes: [...prefixes.values()], callers: [...callers.values()] };
}

type Mutable<T extends Traffic> = { -readonly [K in keyof T]: T[K] };

function entry<T>(entries: Map<string, T>, key: string, fresh: T): T {
  const found = entries.get(key);
  if (found !== undefined) return found;
  entries.set(key, fresh);
  return fresh;
}
