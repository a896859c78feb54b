import { randomBytes } from "node:crypto";
import { afterAll } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import { type KeyRing, pseudonyms } from "../../src/domain/keys.ts";
import { newestTextVersion } from "../../src/domain/message-texts.ts";
import type { NewSignature } from "../../src/domain/stores.ts";
import { openStores } from "../../src/main/stores.ts";
import { Database } from "../../src/postgres/database.ts";
import { aNewSignature, useStores } from "./stores.ts";

/** Two replicas, each with a pool of its own, on one database whose time of day the test sets. */
export async function useReplicas() {
  const stores = await useStores();
  const dbs = [0, 1].map(() => new Database({ url: stores.url, connections: 10, clock: () => stores.now() }));
  for (const db of dbs) afterAll(() => db.close());
  const replicas = dbs.map((db) => ({
    db,
    ...openStores(
      db,
      { settleMs: 2000, provideFeedback: true, newestText: newestTextVersion },
      { decorate: (_name, store) => store, observer: { observe: () => undefined } },
    ),
  }));
  const [first, second] = replicas;
  if (first === undefined || second === undefined) throw new Error("no replicas");
  /** One or the other, so that parallel calls meet in the database and nowhere else. */
  const replica = (n: number) => (n % 2 === 0 ? first : second);
  return { ...stores, replica };
}

/** How calls ended: what was fulfilled, and the Failures; any other error is thrown. */
export async function ends<T>(calls: readonly Promise<T>[]): Promise<{ done: T[]; refused: Failure[] }> {
  const results = await Promise.allSettled(calls);
  const done: T[] = [];
  const refused: Failure[] = [];
  for (const result of results) {
    if (result.status === "fulfilled") done.push(result.value);
    else if (result.reason instanceof Failure) refused.push(result.reason);
    else throw result.reason;
  }
  return { done, refused };
}

/** The refusal of a call. @throws Error where it was not refused */
export async function refusal(call: Promise<unknown>): Promise<Failure> {
  const { refused } = await ends([call]);
  if (refused[0] === undefined) throw new Error("the call was not refused");
  return refused[0];
}

export function aKeyRing(...ids: [string, ...string[]]): KeyRing {
  return { primary: ids[0], keys: new Map(ids.map((id) => [id, randomBytes(32)])) };
}

/** A signature of a customer and a number, under the pseudonym keys that a replica knows. */
export function aSignatureOf(
  who: { customer: string; phone?: string },
  ring: KeyRing,
  over: Partial<NewSignature> = {},
): NewSignature {
  const customerGuards = pseudonyms(ring, "customer-guard-v1", who.customer);
  const phoneGuards = pseudonyms(ring, "phone-guard-v1", who.phone ?? `number of ${who.customer}`);
  return aNewSignature({ customerGuards, phoneGuards, ...over });
}
