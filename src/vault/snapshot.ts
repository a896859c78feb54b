import { inspect } from "node:util";
import type { KvDocument } from "./kv-document.ts";
import { VaultError } from "./vault-error.ts";

/** The secrets that are read, by their path in the KV mount. */
export const documentPaths = { twilio: "providers/twilio", keys: "signature-router/keys" } as const;

export type DocumentName = keyof typeof documentPaths;

export const documentNames = ["twilio", "keys"] as const satisfies readonly DocumentName[];

export type Documents = Readonly<Record<DocumentName, KvDocument>>;

/**
 * Both secrets as they were at one time; nothing in it changes. Inspected, logged or turned into JSON it
 * shows versions only.
 */
export class VaultSnapshot {
  readonly versions: Readonly<Record<DocumentName, number>>;
  /** Monotonic milliseconds at which these versions were first read. */
  readonly readAt: number;
  readonly #twilio: Readonly<Record<string, string>>;
  readonly #keys: unknown;

  /** @throws VaultError invalid where a field of providers/twilio is not a string */
  constructor({ twilio, keys }: Documents, readAt: number) {
    this.versions = Object.freeze({ twilio: twilio.version, keys: keys.version });
    this.readAt = readAt;
    this.#twilio = strings(twilio.data);
    this.#keys = keys.data;
    Object.freeze(this);
  }

  /** The fields of `providers/twilio`, as they are stored. */
  get twilio(): Readonly<Record<string, string>> {
    return this.#twilio;
  }

  /** The JSON of `signature-router/keys`, as it is stored; frozen throughout. */
  get keys(): unknown {
    return this.#keys;
  }

  toJSON(): Record<string, unknown> {
    return { versions: this.versions, readAt: this.readAt };
  }

  [inspect.custom](): string {
    return `VaultSnapshot ${inspect(this.toJSON())}`;
  }
}

function strings(data: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const faulty = Object.keys(data).filter((field) => typeof data[field] !== "string");
  if (faulty.length > 0) {
    throw new VaultError("invalid", `${documentPaths.twilio}: ${faulty.join(", ")} must be text`);
  }
  return data as Readonly<Record<string, string>>;
}
