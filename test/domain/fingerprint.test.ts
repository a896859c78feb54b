import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { requestFingerprint } from "../../src/domain/fingerprint.ts";

const key = randomBytes(32);
const content = { customer_id: "c-1", phone_number: "+34600000001", ttl_ms: 300_000 };

describe("the fingerprint of a request", () => {
  test("does not depend on the order of its fields", () => {
    const entries = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer()));
    fc.assert(
      fc.property(entries, (any) => {
        const reversed = Object.fromEntries(Object.entries(any).reverse());
        expect(requestFingerprint(key, reversed).equals(requestFingerprint(key, any))).toBe(true);
      }),
    );
  });

  test.each([
    ["value", { ...content, phone_number: "+34600000002" }],
    ["field", { ...content, channel: "" }],
    ["type", { ...content, ttl_ms: "300000" }],
  ])("is another for another %s", (_, other) => {
    expect(requestFingerprint(key, other).equals(requestFingerprint(key, content))).toBe(false);
  });

  test("is keyed: nobody without the key finds the customer in it", () => {
    const fingerprint = requestFingerprint(key, content);
    expect(fingerprint).toHaveLength(32);
    expect(requestFingerprint(randomBytes(32), content).equals(fingerprint)).toBe(false);
    const canonical = '{"customer_id":"c-1","phone_number":"+34600000001","ttl_ms":300000}';
    for (const text of [
      canonical,
      `request-fingerprint-v1${canonical}`,
      `request-fingerprint-v1\0${canonical}`,
    ]) {
      expect(createHash("sha256").update(text).digest().equals(fingerprint)).toBe(false);
    }
  });
});
