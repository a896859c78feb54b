import { Secret } from "./secret.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Of a variable, before anything is done with it; the longest that mean something are lists of countries. */
const longestValue = 8192;

const loopbackHosts = new Set(["127.0.0.1", "::1", "localhost"]);

export function isLoopback(host: string): boolean {
  return loopbackHosts.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Typed reads of variables that collect every fault instead of stopping at the first. */
export class Environment {
  readonly faults: string[] = [];
  readonly #variables: Variables;
  readonly #read = new Set<string>();

  constructor(variables: Variables) {
    this.#variables = variables;
  }

  fault(name: string, what: string): void {
    this.faults.push(`${name} ${what}`);
  }

  /** The value without surrounding white space; undefined where unset or empty. */
  text(name: string): string | undefined {
    const value = this.#value(name);
    return value === "" ? undefined : value;
  }

  /** Values separated by commas. Set but empty, it is an empty list, unlike unset. */
  list(name: string): readonly string[] | undefined {
    const value = this.#value(name);
    if (value === undefined) return undefined;
    return value === "" ? [] : value.split(",").map((item) => item.trim());
  }

  #value(name: string): string | undefined {
    this.#read.add(name);
    const value = this.#variables[name];
    if (value === undefined || value.length <= longestValue) return value?.trim();
    this.fault(name, `must have at most ${longestValue} characters`);
    return undefined;
  }

  secret(name: string): Secret | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : new Secret(value);
  }

  number(name: string, fallback: number, least: number, most: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || value < least || value > most) {
      this.fault(name, `must be a number from ${least} to ${most}`);
      return fallback;
    }
    return value;
  }

  whole(name: string, fallback: number, least: number, most: number): number {
    const value = this.number(name, fallback, least, most);
    if (Number.isInteger(value)) return value;
    this.fault(name, "must be a whole number");
    return fallback;
  }

  oneOf<T extends string>(name: string, values: readonly T[], fallback: T): T {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const value = values.find((candidate) => candidate === text);
    if (value === undefined) this.fault(name, `must be one of ${values.join(", ")}`);
    return value ?? fallback;
  }

  /** `host:port`, IPv6 hosts in brackets; port 0 takes any free one. */
  address(name: string, fallback: Address): Address {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const match = /^(?:\[([0-9a-fA-F:]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text);
    const port = Number(match?.[3]);
    if (match === null || port > 65_535) {
      this.fault(name, "must be host:port such as 127.0.0.1:50051");
      return fallback;
    }
    return { host: match[1] ?? match[2] ?? "", port };
  }

  /** An https address, or an http one on loopback; without a trailing slash. */
  url(name: string): string | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const host = url?.hostname.replace(/^\[|\]$/g, "") ?? "";
    if (url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(host))) {
      return withoutTrailingSlashes(url.href);
    }
    this.fault(name, "must be an https address, or http on loopback");
    return undefined;
  }

  /** Faults for names of ours that were set and never read: a misspelt limit must not be a missing one. */
  refuseUnknown(prefixes: readonly string[], nearMisses: readonly string[]): void {
    for (const [name, value] of Object.entries(this.#variables)) {
      if (value === undefined || this.#read.has(name) || isServiceLink(name)) continue;
      if (prefixes.some((prefix) => name.toUpperCase().startsWith(prefix)))
        this.fault(name, "is not a known variable");
      else if (isNearMiss(name.toUpperCase(), nearMisses, this.#read))
        this.fault(name, "looks like a misspelt variable");
    }
  }
}

// A pattern for it takes time in the square of the slashes that stand in the middle.
function withoutTrailingSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === "/") end -= 1;
  return text.slice(0, end);
}

/** What Kubernetes injects for every service of a namespace. */
function isServiceLink(name: string): boolean {
  return /_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT$|_PORT_\d+_/.test(name);
}

/** One edit away from a known name of the family, or of the family and two edits away. */
function isNearMiss(name: string, prefixes: readonly string[], known: ReadonlySet<string>): boolean {
  const candidates = [...known].filter((other) => prefixes.some((prefix) => other.startsWith(prefix)));
  return candidates.some((other) => distance(name, other) <= 2);
}

/** Levenshtein distance, given up beyond 2. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 3;
}
