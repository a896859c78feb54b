import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type KeyRing,
  type Keys,
  keyById,
  keyedDigest,
  primaryKey,
  pseudonyms,
} from "../../src/domain/keys.ts";
import { failureOf } from "../support/domain.ts";

const ring = (primary: string, ...ids: string[]): KeyRing => ({
  primary,
  keys: new Map(ids.map((id) => [id, Buffer.alloc(32, id)])),
});

function rings(codePepper: KeyRing): Keys {
  const other = ring("k1", "k1");
  return { codePepper, phoneSeal: other, pseudonym: other, evidence: other, receipt: other };
}

/** Keys that another version has been written of; a refresh finds it, or breaks. */
function source(now: Keys, later: Keys | Error) {
  let refreshes = 0;
  return {
    refreshes: () => refreshes,
    current: () => now,
    refresh: async () => {
      refreshes += 1;
      if (later instanceof Error) throw later;
      return later;
    },
  };
}

describe("a key by its id", () => {
  test("is taken from what is known, without reading again", async () => {
    const known = source(rings(ring("p2", "p1", "p2")), rings(ring("p2", "p2")));
    expect(await keyById(known, "codePepper", "p1")).toEqual(Buffer.alloc(32, "p1"));
    expect(known.refreshes()).toBe(0);
  });

  test("that another replica knows already is read again, once", async () => {
    const late = source(rings(ring("p1", "p1")), rings(ring("p2", "p1", "p2")));
    expect(await keyById(late, "codePepper", "p2")).toEqual(Buffer.alloc(32, "p2"));
    expect(late.refreshes()).toBe(1);
  });

  test("that stays unknown is SERVICE_UNAVAILABLE after one reading", async () => {
    const never = source(rings(ring("p1", "p1")), rings(ring("p1", "p1")));
    const failure = await failureOf(keyById(never, "codePepper", "p9"));
    expect(failure).toMatchObject({ reason: "SERVICE_UNAVAILABLE", retryAfterMs: expect.any(Number) });
    expect(never.refreshes()).toBe(1);
  });

  test("is SERVICE_UNAVAILABLE where the keys cannot be read", async () => {
    const away = source(rings(ring("p1", "p1")), new Error("vault is sealed at https://vault.internal"));
    const failure = await failureOf(keyById(away, "codePepper", "p9"));
    expect(failure).toMatchObject({ reason: "SERVICE_UNAVAILABLE", retryAfterMs: expect.any(Number) });
    expect(failure.message).not.toContain("vault");
  });
});

describe("a key ring", () => {
  test("makes new values under its primary", () => {
    expect(primaryKey(ring("p2", "p1", "p2"))).toEqual({ id: "p2", key: Buffer.alloc(32, "p2") });
    expect(() => primaryKey(ring("p3", "p1"))).toThrow(/p3/);
  });

  test("digests differ by key, purpose and content, and where the one ends and the other begins", () => {
    const key = randomBytes(32);
    const digests = [
      keyedDigest(key, "a", "bc"),
      keyedDigest(key, "ab", "c"),
      keyedDigest(key, "a", "bd"),
      keyedDigest(randomBytes(32), "a", "bc"),
    ].map((digest) => digest.toString("hex"));
    expect(new Set(digests).size).toBe(4);
    expect(keyedDigest(key, "a", "bc").equals(keyedDigest(key, "a", "bc"))).toBe(true);
  });

  test("has a pseudonym for each key, in one order whatever order the keys are in", () => {
    const one = pseudonyms(ring("k1", "k1", "k2", "k3"), "customer", "c-1");
    const other = pseudonyms(ring("k3", "k3", "k1", "k2"), "customer", "c-1");
    expect(other).toEqual(one);
    expect(one).toHaveLength(3);
    const older = pseudonyms(ring("k1", "k1", "k2"), "customer", "c-1");
    expect(older.every((pseudonym) => one.some((candidate) => candidate.equals(pseudonym)))).toBe(true);
  });
});
