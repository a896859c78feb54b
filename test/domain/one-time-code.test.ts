import { createHmac, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type CodeBinding, codesMatch, isCode, oneTimeCode } from "../../src/domain/one-time-code.ts";
import { transactionDigest } from "../../src/domain/transaction.ts";
import { aTransaction } from "../support/domain.ts";

const pepper = Buffer.alloc(32, 0x11);
const binding: CodeBinding = {
  signatureId: "0190a5b8-1111-7222-8333-444444444444",
  nonce: Buffer.alloc(32, 0x22),
  transactionDigest: Buffer.alloc(32, 0x33),
};

/** The formula as it stands in the design, in other words than the code's. */
function byFormula(key: Uint8Array, { signatureId, nonce, transactionDigest: digest }: CodeBinding): string {
  const id = signatureId.split("-").join("");
  const content = Buffer.concat([
    Buffer.from("signature-code-v1", "ascii"),
    nonce,
    Buffer.from(id, "hex"),
    digest,
  ]);
  const head = createHmac("sha256", key).update(content).digest("hex").slice(0, 16);
  return String(BigInt(`0x${head}`) % 1000000n).padStart(6, "0");
}

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const anyBinding = fc.record({ signatureId: fc.uuid(), nonce: bytes32, transactionDigest: bytes32 });

describe("the one-time code", () => {
  test("is the published formula, as a fixed vector shows", () => {
    const content = `${Buffer.from("signature-code-v1").toString("hex")}${"22".repeat(32)}0190a5b811117222833344444444444${"4"}${"33".repeat(32)}`;
    const mac = createHmac("sha256", Buffer.from("11".repeat(32), "hex"))
      .update(content, "hex")
      .digest();
    let head = 0n;
    for (const byte of mac.subarray(0, 8)) head = head * 256n + BigInt(byte);
    expect(oneTimeCode(pepper, binding)).toBe((head % 1_000_000n).toString().padStart(6, "0"));
  });

  test("is the published formula for any key and binding", () => {
    fc.assert(
      fc.property(bytes32, anyBinding, (key, any) => {
        expect(oneTimeCode(key, any)).toBe(byFormula(key, any));
        expect(isCode(oneTimeCode(key, any))).toBe(true);
      }),
    );
  });

  test("keeps its leading zeros", () => {
    const codes = Array.from({ length: 300 }, (_, n) => {
      const nonce = Buffer.alloc(32, 0);
      nonce.writeUInt32BE(n);
      return oneTimeCode(pepper, { ...binding, nonce });
    });
    expect(codes.filter((code) => code.startsWith("0")).length).toBeGreaterThan(5);
    expect(codes.every((code) => code.length === 6)).toBe(true);
  });

  test.each<[what: string, change: Partial<CodeBinding>]>([
    ["nonce", { nonce: Buffer.alloc(32, 0x23) }],
    ["signature id", { signatureId: "0190a5b8-1111-7222-8333-444444444445" }],
    ["transaction", { transactionDigest: Buffer.alloc(32, 0x34) }],
  ])("is another for another %s", (_, change) => {
    expect(oneTimeCode(pepper, { ...binding, ...change })).not.toBe(oneTimeCode(pepper, binding));
  });

  test.each([
    ["amount", { amount: { currencyCode: "EUR", units: 12n, nanos: 510_000_000 } }],
    ["currency", { amount: { currencyCode: "USD", units: 12n, nanos: 500_000_000 } }],
    ["payee", { payee: "Panadería Luna" }],
    ["account of the payee", { payeeAccount: "ES7921000813610123456789" }],
  ])("is another for another %s (PSD2 RTS Art. 5)", (_, change) => {
    const code = (over = {}) =>
      oneTimeCode(pepper, { ...binding, transactionDigest: transactionDigest(aTransaction(over)) });
    expect(code(change)).not.toBe(code());
    expect(code()).toBe(code());
  });

  test("is another under another pepper", () => {
    expect(oneTimeCode(Buffer.alloc(32, 0x12), binding)).not.toBe(oneTimeCode(pepper, binding));
  });

  test("is spread evenly over its million values", () => {
    const buckets = new Array<number>(10).fill(0);
    for (let n = 0; n < 5000; n += 1) {
      const first = Number(oneTimeCode(pepper, { ...binding, nonce: randomBytes(32) })[0]);
      buckets[first] = (buckets[first] ?? 0) + 1;
    }
    // 500 each; seven standard deviations are 150.
    for (const count of buckets) expect(Math.abs(count - 500)).toBeLessThan(150);
  });

  test.each([
    "",
    "12345",
    "1234567",
    "12345a",
    " 12345",
    "123 45",
    "１２３４５６",
    "١٢٣٤٥٦",
    "123456\n",
    "-12345",
  ])("%j is not a code", (text) => {
    expect(isCode(text)).toBe(false);
  });

  test("matches itself and nothing else", () => {
    const digits = fc.integer({ min: 0, max: 999_999 }).map((n) => String(n).padStart(6, "0"));
    fc.assert(
      fc.property(digits, digits, (left, right) => {
        expect(codesMatch(left, right)).toBe(left === right);
        expect(codesMatch(left, left)).toBe(true);
      }),
    );
  });
});
