import { randomBytes, randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seal, unseal } from "../../src/domain/seal.ts";

const key = randomBytes(32);
const id = randomUUID();
const nonce = randomBytes(12);

describe("a sealed value", () => {
  test("opens to what was sealed", () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        bytes(32),
        bytes(12),
        fc.uuid(),
        (text, anyKey, anyNonce, anyId) => {
          const sealed = seal(anyKey, anyId, "transaction-v1", text, anyNonce);
          expect(unseal(anyKey, anyId, "transaction-v1", sealed)).toBe(text.toWellFormed());
          expect(sealed.length).toBe(12 + Buffer.byteLength(text) + 16);
        },
      ),
    );
  });

  test("holds nothing of the text", () => {
    const sealed = seal(key, id, "phone-number-v1", "+34600000001", nonce);
    expect(sealed.includes("+34600000001")).toBe(false);
    expect(sealed.includes("600000001")).toBe(false);
  });

  test("cannot be moved to another signature, purpose or key", () => {
    const sealed = seal(key, id, "phone-number-v1", "+34600000001", nonce);
    expect(() => unseal(key, randomUUID(), "phone-number-v1", sealed)).toThrow();
    expect(() => unseal(key, id, "transaction-v1", sealed)).toThrow();
    expect(() => unseal(randomBytes(32), id, "phone-number-v1", sealed)).toThrow();
    expect(unseal(key, id.toUpperCase(), "phone-number-v1", sealed)).toBe("+34600000001");
  });

  test("is refused with any bit flipped", () => {
    const sealed = seal(key, id, "phone-number-v1", "+34600000001", nonce);
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const flipped = Buffer.from(sealed);
      const at = bit >> 3;
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
      expect(() => unseal(key, id, "phone-number-v1", flipped), `bit ${bit}`).toThrow();
    }
  });

  test("is refused when cut short or made longer", () => {
    const sealed = seal(key, id, "phone-number-v1", "+34600000001", nonce);
    for (let length = 0; length < sealed.length; length += 1) {
      expect(
        () => unseal(key, id, "phone-number-v1", sealed.subarray(0, length)),
        `${length} bytes`,
      ).toThrow();
    }
    expect(() => unseal(key, id, "phone-number-v1", Buffer.concat([sealed, Buffer.alloc(1)]))).toThrow();
  });

  test("is another for another signature even under the same nonce", () => {
    const body = (signatureId: string) =>
      seal(key, signatureId, "phone-number-v1", "+34600000001", nonce).subarray(12);
    expect(body(id).equals(body(randomUUID()))).toBe(false);
    expect(body(id).equals(body(id))).toBe(true);
  });
});
