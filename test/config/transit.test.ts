import { describe, expect, test } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";
import { parseKeyRings } from "../../src/config/key-rings.ts";
import { readConfig } from "../../src/config.ts";

const vault = {
  VAULT_ADDR: "https://vault.bank",
  VAULT_TOKEN: "token",
  SIGNATURE_ALLOWED_COUNTRIES: "ES",
};

function faultsOf(variables: Record<string, string>): string {
  try {
    readConfig(variables);
    return "";
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

const key = Buffer.alloc(32, 1).toString("base64");
const ring = { primary: "k1", keys: { k1: key } };
const others = { "code-pepper": ring, "phone-seal": ring, pseudonym: ring, evidence: ring };

describe("Transit", () => {
  test("is not used unless a key of it is named", () => {
    expect(readConfig(vault).vault?.transit).toBeUndefined();
  });

  test("has a mount and a deadline that may be left out", () => {
    expect(readConfig({ ...vault, VAULT_TRANSIT_RECEIPT_KEY: "receipts" }).vault?.transit).toMatchObject({
      ...{ mount: "transit", receiptKey: "receipts", timeoutMs: 1000 },
    });
  });

  test("tells every fault in one message", () => {
    const { VAULT_ADDR: _, ...nowhere } = vault;
    const faults = faultsOf({
      ...nowhere,
      ...{ VAULT_TRANSIT_RECEIPT_KEY: "../sys/seal", VAULT_TRANSIT_TIMEOUT_SECONDS: "0" },
    });
    for (const expected of [
      /VAULT_ADDR is missing beside VAULT_TRANSIT/,
      /RECEIPT_KEY must be/,
      /TIMEOUT_SECONDS/,
    ])
      expect(faults).toMatch(expected);
    expect(faultsOf({ ...vault, VAULT_TRANSIT_MOUNT: "transit" })).toMatch(
      /VAULT_TRANSIT_MOUNT needs VAULT_TRANSIT_RECEIPT_KEY or VAULT_TRANSIT_CODE_KEY/,
    );
  });
});

test("The pepper's ring may be left out where codes are derived in Transit, and only there", () => {
  const { "code-pepper": _, ...rest } = { ...others, receipt: ring };
  expect(parseKeyRings(rest)).toHaveProperty("faults");
  expect(parseKeyRings(rest, ["receipt"])).toHaveProperty("faults");
  expect(parseKeyRings(rest, ["codePepper"])).toMatchObject({ keys: { codePepper: { keys: new Map() } } });
});

describe("The receipt ring", () => {
  test("may have no seeds where Transit signs, and only there", () => {
    const seedless = { ...others, receipt: { retired: { r0: key } } };
    for (const document of [others, seedless]) {
      expect(parseKeyRings(document)).toHaveProperty("faults");
      expect(parseKeyRings(document, ["receipt"])).toMatchObject({ keys: { receipt: { keys: new Map() } } });
    }
    expect(
      parseKeyRings({ ...others, receipt: { keys: { r1: "short" }, primary: "r1" } }, ["receipt"]),
    ).toHaveProperty("faults");
  });

  test("retires and revokes versions of Transit keys, and has no seed under such an id", () => {
    const id = "transit:receipts:v1";
    const validity = { [id]: { revoked: "2026-11-22T00:00:00Z" }, "transit:receipts:v2": {} };
    const parsed = parseKeyRings({ ...others, receipt: { ...ring, retired: { [id]: key }, validity } });
    expect("keys" in parsed && [...parsed.keys.receipt.retired!.keys()]).toEqual([id]);
    expect("keys" in parsed && parsed.keys.receipt.validity?.get(id)?.revoked).toBeInstanceOf(Date);
    expect(parseKeyRings({ ...others, receipt: { primary: id, keys: { [id]: key } } })).toHaveProperty(
      "faults",
    );
  });
});
