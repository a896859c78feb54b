import { compactVerify, createLocalJWKSet, decodeProtectedHeader } from "jose";
import { describe, expect, test } from "vitest";
import { parseKeyRings } from "../../src/config/key-rings.ts";
import { publicBytesOf } from "../../src/domain/ed25519.ts";
import { jwks, type ReceiptFacts, signReceipts, textDigest } from "../../src/domain/receipt.ts";
import { openReceipt } from "../../src/domain/receipt-check.ts";
import { RingSigner } from "../../src/domain/signer.ts";
import { receiptRing } from "../support/evidence-pack.ts";

// RFC 8037, appendix A: the key of the Ed25519 examples.
const seed = Buffer.from("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", "base64url");
const publicX = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

const facts: ReceiptFacts = {
  signatureId: "0190b0c0-0000-7000-9000-000000000001",
  caller: "payments",
  completedAt: new Date("2026-11-22T12:00:03.999Z"),
  transactionDigest: "0a".repeat(32),
  channel: "sms",
  messageSids: [`SM${"a".repeat(32)}`],
  textDigest: textDigest("****** firma"),
  firstFactor: "pin",
  chainHead: "0b".repeat(32),
  chainLength: 4,
  challengeId: "0190b0c0-0000-7000-9000-0000000000c1",
  receiptKeyId: "r1",
};

async function signed(receipt: ReceiptFacts, key: Uint8Array): Promise<string> {
  const none = { primary: "", keys: new Map() };
  const ring = { primary: "r1", keys: new Map([["r1", key]]) };
  const keys = { codePepper: none, phoneSeal: none, pseudonym: none, evidence: none, receipt: ring };
  const signer = new RingSigner({ current: () => keys, refresh: async () => keys });
  const [jws = ""] = await signReceipts(signer, "r1", [receipt]);
  return jws;
}

describe("a receipt", () => {
  test("verifies with the published keys and says what the contract lists, in whole seconds", async () => {
    const jws = await signed(facts, seed);
    const keys = jwks({ primary: "r1", keys: new Map([["r1", seed]]) });
    const { payload, protectedHeader } = await compactVerify(jws, createLocalJWKSet(keys));
    expect(protectedHeader).toEqual({ alg: "EdDSA", kid: "r1", typ: "signature-receipt+jwt" });
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual({
      iss: "signature.bank",
      sub: facts.signatureId,
      aud: "payments",
      iat: Date.parse("2026-11-22T12:00:03Z") / 1000,
      transaction_digest: facts.transactionDigest,
      channel: "sms",
      message_sids: facts.messageSids,
      text_digest: facts.textDigest,
      first_factor: "pin",
      chain_head: facts.chainHead,
      chain_length: 4,
    });
  });

  test("is the same, byte for byte, whenever it is made again", async () => {
    const jws = await signed(facts, seed);
    expect(await signed({ ...facts }, Buffer.from(seed))).toBe(jws);
    // Pinned: receipts given out by one release are made again by the next.
    expect(jws.slice(-43)).toBe("gvGYijvaJJ-O5MK-qe8XlZGJX5lPD01DrlRqRUWUbCg");
  });

  test("opens under its own key alone, and in one spelling alone", async () => {
    const jws = await signed(facts, seed);
    const key = publicBytesOf(seed);
    expect((await openReceipt(jws, key))?.header).toBe(JSON.stringify(decodeProtectedHeader(jws)));
    expect(await openReceipt(jws, publicBytesOf(Buffer.alloc(32, 1)))).toBeUndefined();
    expect(await openReceipt(`${jws}=`, key)).toBeUndefined();
    const last = jws.at(-1) ?? "";
    // The spare bits of the last character of 64 bytes.
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const other = alphabet[(alphabet.indexOf(last) & 0b110000) | ((alphabet.indexOf(last) + 1) & 0b001111)];
    expect(await openReceipt(jws.slice(0, -1) + other, key)).toBeUndefined();
  });
});

describe("the JWK set", () => {
  test("has the public key of each seed (RFC 8037) and what retired, and no seed", () => {
    const keys = jwks({ ...receiptRing, primary: "r2", keys: new Map([["r2", seed]]) });
    const common = { kty: "OKP", crv: "Ed25519", alg: "EdDSA", use: "sig" };
    expect(keys).toEqual({
      keys: [
        { ...common, kid: "r2", x: publicX },
        { ...common, kid: "r0", x: Buffer.from(receiptRing.retired.get("r0") ?? []).toString("base64url") },
      ],
    });
    expect(JSON.stringify(keys)).not.toContain(seed.toString("base64url"));
  });
});

describe("the receipt ring", () => {
  const key = Buffer.alloc(32, 1).toString("base64");
  const ring = { primary: "k1", keys: { k1: key } };
  const rings = { "code-pepper": ring, "phone-seal": ring, pseudonym: ring, evidence: ring };

  test("may have public keys that retired", () => {
    const parsed = parseKeyRings({ ...rings, receipt: { ...ring, retired: { r0: key } } });
    expect("keys" in parsed && parsed.keys.receipt.retired?.get("r0")).toEqual(Buffer.alloc(32, 1));
  });

  test("may have windows of its keys, which the JWK set tells, the later beginning of two", () => {
    const validity = {
      k1: { from: "2026-01-01T00:00:00Z" },
      r0: { until: "2026-02-01T00:00Z", revoked: "2026-03-01T00:00:00.000Z" },
    };
    const parsed = parseKeyRings({ ...rings, receipt: { ...ring, retired: { r0: key }, validity } });
    if ("faults" in parsed) throw new Error(parsed.faults.join());
    const history = new Map([
      ["k1", { used: new Date("2026-01-02T00:00:00.500Z") }],
      ["r0", { used: new Date("2025-01-01T00:00:00Z"), retired: new Date("2026-01-15T00:00:00Z") }],
    ]);
    const seconds = (at: string) => Date.parse(at) / 1000;
    expect(jwks(parsed.keys.receipt, history).keys).toMatchObject([
      { kid: "k1", nbf: seconds("2026-01-02T00:00:00Z") },
      {
        ...{ kid: "r0", nbf: seconds("2025-01-01T00:00:00Z"), exp: seconds("2026-02-01T00:00:00Z") },
        revoked_at: seconds("2026-03-01T00:00:00Z"),
      },
    ]);
  });

  test.each([
    [{ r9: {} }, 'receipt.validity names "r9", which is no key of the ring'],
    [
      { k1: { until: "tomorrow" } },
      'receipt.validity.k1 must have times in UTC such as 2026-01-31T00:00:00Z under "from", "until" and "revoked"',
    ],
    [{ k1: { revoked: "2026-01-01T00:00:00Z" } }, "receipt.primary names a key that is revoked"],
    [[], 'receipt.validity must be {id: {"from", "until", "revoked"}}'],
  ])("refuses the windows %j", (validity, fault) => {
    expect(parseKeyRings({ ...rings, receipt: { ...ring, validity } })).toEqual({ faults: [fault] });
  });

  test.each([
    [{ r0: "c2hvcnQ=" }, "receipt.retired.r0 must be 32 bytes in base64"],
    [{ k1: key }, "receipt.retired.k1 is among the keys too: it is one or the other"],
    [[key], "receipt.retired must be {id: base64 of a public key}"],
    [{ "r 0": key }, "receipt.retired has a key id that is not 1 to 32 of A-Z a-z 0-9 . _ -"],
  ])("refuses %j", (retired, fault) => {
    expect(parseKeyRings({ ...rings, receipt: { ...ring, retired } })).toEqual({ faults: [fault] });
  });
});
