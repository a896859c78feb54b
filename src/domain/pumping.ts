import type { PhoneNumber } from "./phone-number.ts";

// SMS pumping: somebody has messages sent to many numbers of a range that pays them for each, and
// completes none. It shows per prefix, which stands for up to ten thousand numbers.

/** E.164 without its last four digits: the size in which ranges of numbers are handed out. */
export function numberPrefix(e164: string): string {
  return e164.slice(0, -4);
}

/** What may be logged of a prefix: the country's code and the first digits after it. */
export function shownPrefix(prefix: string): string {
  return prefix.slice(0, Math.max(3, prefix.length - 2));
}

export interface PrefixTraffic {
  readonly prefix: string;
  readonly messages: number;
  readonly completions: number;
}

/**
 * From when on a prefix is suspected, over the last hour. Of a bank's customers most complete; below one
 * in ten not even a bad carrier explains it. Twenty messages keep a range with few customers out of it,
 * and cost little until they are noticed.
 */
export const suspicion = { messages: 20, completedShare: 0.1 } as const;

export interface PrefixTrafficStore {
  /** Adds to what all replicas have counted. */
  add(traffic: readonly PrefixTraffic[]): Promise<void>;
  /** The prefixes that are suspected by what all replicas counted in the last hour. */
  suspected(from: { messages: number; completedShare: number }): Promise<PrefixTraffic[]>;
}

/** True where a number may be in one of the countries. */
export function mayBeIn(countries: ReadonlySet<string>, number: PhoneNumber): boolean {
  return number.countries.some((country) => countries.has(country));
}
