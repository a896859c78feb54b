import type { PhoneNumber } from "./phone-number.ts";

// SMS pumping: somebody has messages sent to many numbers that pay them for each, and completes few. It shows in
// the share that is completed: of one range of numbers, of all small ranges of a country together (who pumps a few
// messages into each stays below every range's bound), or of one caller's messages abroad.

/** E.164 without its last four digits: the size in which ranges of numbers are handed out. */
export function numberPrefix(e164: string): string {
  return e164.slice(0, -4);
}

/** What may be logged of a prefix: the country's code and the first digits after it. */
export function shownPrefix(prefix: string): string {
  return prefix.slice(0, Math.max(3, prefix.length - 2));
}

/** The country that a number is counted under; `several` where its plan is shared. */
export function countryOf({ countries }: PhoneNumber): string {
  return countries.length === 1 ? (countries[0] ?? "several") : "several";
}

/** Messages, and how many of them a completion followed. */
export interface Traffic {
  readonly messages: number;
  readonly completions: number;
}

export interface PrefixTraffic extends Traffic {
  readonly prefix: string;
  readonly country: string;
}

/** Of one caller, to numbers outside of the home countries. */
export interface CallerTraffic extends Traffic {
  readonly caller: string;
}

/** From so many messages on, a share of completions below this is suspicious. */
export interface Suspicion {
  readonly messages: number;
  readonly completedShare: number;
}

/**
 * Over the last hour. Of a bank's customers most complete; below one in ten not even a bad carrier explains it, and
 * with many messages not below one in four: who completes one in eight to look honest is paid for the other seven.
 * Twenty messages keep a range with few customers out of it, and cost little until they are noticed.
 */
export const suspicions: {
  readonly prefix: readonly Suspicion[];
  readonly smallPrefixes: Suspicion;
  readonly caller: Suspicion;
} = {
  prefix: [
    { messages: 20, completedShare: 0.1 },
    { messages: 60, completedShare: 0.25 },
  ],
  smallPrefixes: { messages: 100, completedShare: 0.25 },
  caller: { messages: 200, completedShare: 0.1 },
};

/** Within the last two minutes in one process, the messages that customers still have at hand included. */
export const burst: Suspicion = { messages: 40, completedShare: 0.25 };

export function isSuspicious(
  { messages, completions }: Traffic,
  { messages: least, completedShare }: Suspicion,
): boolean {
  return messages >= least && completions < messages * completedShare;
}

export interface Suspects {
  readonly prefixes: readonly PrefixTraffic[];
  /** Sums over the prefixes of a country that are too small for a verdict of their own. */
  readonly countries: readonly (Traffic & { readonly country: string })[];
  readonly callers: readonly CallerTraffic[];
}

export interface TrafficStore {
  /** Adds to what all replicas have counted. */
  add(prefixes: readonly PrefixTraffic[], callers: readonly CallerTraffic[]): Promise<void>;
  /** What is suspected by what all replicas counted in the last hour. */
  suspects(from: typeof suspicions): Promise<Suspects>;
}

/** True where a number may be in one of the countries. */
export function mayBeIn(countries: ReadonlySet<string>, number: PhoneNumber): boolean {
  return number.countries.some((country) => countries.has(country));
}
