import { createHmac, createSecretKey, type KeyObject } from "node:crypto";
import { Failure } from "./failure.ts";
import type { KeyValidity } from "./key-validity.ts";

/** Keys of one purpose by id. New values are made under the primary; old ones stay readable. */
export interface KeyRing {
  readonly primary: string;
  readonly keys: ReadonlyMap<string, Uint8Array>;
}

/** Ed25519 seeds that sign, and public keys (32 bytes) whose seeds are gone: they only verify. */
export interface ReceiptKeyRing extends KeyRing {
  readonly retired?: ReadonlyMap<string, Uint8Array>;
  /** Windows of keys, live and retired, by id. */
  readonly validity?: ReadonlyMap<string, KeyValidity>;
}

/** An immutable snapshot of every key ring. */
export interface Keys {
  /** Derives one-time codes. */
  readonly codePepper: KeyRing;
  /** Seals phone numbers and transactions. */
  readonly phoneSeal: KeyRing;
  /** Turns customer ids and request contents into keyed pseudonyms. */
  readonly pseudonym: KeyRing;
  /** Proves that what a provider answered was not changed later. */
  readonly evidence: KeyRing;
  /** Signs receipts, seals and checkpoints. */
  readonly receipt: ReceiptKeyRing;
}

/** Where the keys come from. */
export interface KeySource {
  current(): Keys;
  /** Reads the rings again, for a key id that another replica knows already. */
  refresh(): Promise<Keys>;
}

export type RingName = keyof Keys;

/**
 * The key under an id, read again from the source where it is not known yet.
 * @throws Failure SERVICE_UNAVAILABLE where it stays unknown or cannot be read; nothing has been consumed by then.
 */
export async function keyById(source: KeySource, ring: RingName, id: string): Promise<Uint8Array> {
  const unavailable = (cause?: unknown) =>
    new Failure("SERVICE_UNAVAILABLE", "a key is not available yet", { retryAfterMs: 1000, cause });
  const known = source.current()[ring].keys.get(id);
  if (known !== undefined) return known;
  const read = await source.refresh().catch((cause: unknown) => {
    throw unavailable(cause);
  });
  const found = read[ring].keys.get(id);
  if (found === undefined) throw unavailable();
  return found;
}

/** The key that new values are made with, and its id. */
export function primaryKey(ring: KeyRing): { id: string; key: Uint8Array } {
  const key = ring.keys.get(ring.primary);
  if (key === undefined) throw new Error(`key ring has no primary ${ring.primary}`);
  return { id: ring.primary, key };
}

const secretKeys = new WeakMap<Uint8Array, KeyObject>();

/** The key as node:crypto wants it. It makes one of every bare key that it is given, five times the cost of an HMAC. */
export function secretKey(key: Uint8Array): KeyObject {
  let made = secretKeys.get(key);
  if (made === undefined) {
    made = createSecretKey(key);
    secretKeys.set(key, made);
  }
  return made;
}

/** A keyed, domain-separated digest: without the key nothing can be guessed from it. */
export function keyedDigest(key: Uint8Array, purpose: string, content: string): Buffer {
  return createHmac("sha256", secretKey(key)).update(purpose).update("\0").update(content).digest();
}

/**
 * The pseudonyms of a value under every key of a ring, in one order for all: limits and blocks are counted
 * under each, so that replicas which learn of a new key at different times share at least one.
 */
export function pseudonyms(ring: KeyRing, purpose: string, value: string): Buffer[] {
  const all = [...ring.keys.values()].map((key) => keyedDigest(key, purpose, value));
  return all.sort((a, b) => a.compare(b));
}
