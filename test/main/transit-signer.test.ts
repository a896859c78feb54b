import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { publicKeysOf } from "../../src/domain/receipt.ts";
import { RingSigner } from "../../src/domain/signer.ts";
import { VaultError } from "../../src/vault/vault-error.ts";
import { signerContract } from "../contracts/signer.ts";
import { failureOf } from "../support/domain.ts";
import { ringsWith, TransitUnderTest, transitTimeoutMs } from "../support/transit.ts";
import { VaultUnderTest } from "../vault/vault-under-test.ts";

const signPath = "transit/sign/receipts";
const statement = [Buffer.from("statement")];

signerContract("the receipt ring", async () => {
  let stored = { primary: "r1", keys: new Map([["r1", randomBytes(32)]]) };
  let read = ringsWith(stored);
  const refresh = async () => {
    read = ringsWith(stored);
    return read;
  };
  return {
    signer: new RingSigner({ current: () => read, refresh }),
    rotate() {
      stored = { primary: "r2", keys: new Map([...stored.keys, ["r2", randomBytes(32)]]) };
      return "r2";
    },
    read: refresh,
    async [Symbol.asyncDispose]() {},
  };
});

signerContract("Transit", async () => {
  const under = await TransitUnderTest.start();
  return {
    signer: under.signer,
    rotate: () => `transit:receipts:v${under.double.transit.rotate("receipts")}`,
    read: () => under.opened.secrets.refresh(),
    [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
  };
});

describe("A key in Transit", () => {
  test("signs any number of statements in one call", async () => {
    await using under = await TransitUnderTest.start();
    const many = Array.from({ length: 50 }, (_, index) => Buffer.from([index]));
    expect(await under.signer.sign("transit:receipts:v1", many)).toHaveLength(50);
    expect(under.double.requestsTo(signPath)).toHaveLength(1);
  });

  test("signs nothing that was promised under a seed: the receipt ring still does", async () => {
    await using under = await TransitUnderTest.start();
    const [own] = await new RingSigner({
      current: () => under.rings,
      refresh: async () => under.rings,
    }).sign("r1", statement);
    expect(await under.signer.sign("r1", statement)).toEqual([own]);
    expect(under.double.requestsTo(signPath)).toHaveLength(0);
    expect(under.signer.keyIds()).toEqual(["transit:receipts:v1", "r1"]);
  });

  test("is waited for until the deadline alone, and a connection that broke is tried once more", async () => {
    await using under = await TransitUnderTest.start();
    under.double.plan(signPath, { kind: "reset" });
    expect(await under.signer.sign("transit:receipts:v1", statement)).toHaveLength(1);
    expect(under.double.requestsTo(signPath)).toHaveLength(2);
    under.double.plan(signPath, { kind: "hang" });
    const refused = failureOf(under.signer.sign("transit:receipts:v1", statement));
    await under.double.received(signPath, 3);
    await under.clock.advance(transitTimeoutMs);
    expect(await refused).toMatchObject({ reason: "SERVICE_UNAVAILABLE", cause: { reason: "timeout" } });
  });

  test.each([
    ["sealed", { kind: "answer", answer: { status: 503, body: { errors: ["Vault is sealed"] } } }, "sealed"],
    ["over its quota", { kind: "answer", answer: { status: 429, body: { errors: [] } } }, "unreachable"],
    ["broken", { kind: "text", status: 200, text: "<html>" }, "invalid"],
    ["without results", { kind: "answer", answer: { status: 200, body: { data: {} } } }, "invalid"],
  ] as const)("that is %s is SERVICE_UNAVAILABLE, asked once", async (_name, step, reason) => {
    await using under = await TransitUnderTest.start();
    under.double.plan(signPath, step);
    expect(await failureOf(under.signer.sign("transit:receipts:v1", statement))).toMatchObject({
      ...{ reason: "SERVICE_UNAVAILABLE", cause: { reason } },
    });
    expect(under.double.requestsTo(signPath)).toHaveLength(1);
    expect(await under.signer.sign("transit:receipts:v1", statement)).toHaveLength(1);
  });

  test("that fails again and again is left alone for a while, and found again", async () => {
    await using under = await TransitUnderTest.start();
    const sealed = { status: 503, body: { errors: ["Vault is sealed"] } };
    under.double.plan(signPath, { kind: "answer", answer: sealed }, 10);
    for (let call = 0; call < 30; call += 1)
      await failureOf(under.signer.sign("transit:receipts:v1", statement));
    expect(under.double.requestsTo(signPath)).toHaveLength(10);
    await under.clock.advance(2000);
    expect(await under.signer.sign("transit:receipts:v1", statement)).toHaveLength(1);
  });

  test("whose older versions may sign no more signs with the others", async () => {
    await using under = await TransitUnderTest.start();
    under.double.transit.rotate("receipts");
    under.double.transit.configure("receipts", { minEncryption: 2 });
    await under.opened.secrets.refresh();
    expect(under.signer.keyIds()).toEqual(["transit:receipts:v2", "r1"]);
    expect(await failureOf(under.signer.sign("transit:receipts:v1", statement))).toMatchObject({
      reason: "SERVICE_UNAVAILABLE",
    });
    expect([...publicKeysOf(under.signer.verifying()).keys()]).toContain("transit:receipts:v1");
  });

  test("whose older versions are archived names those that nobody can check, until the ring has them", async () => {
    await using under = await TransitUnderTest.start();
    under.double.transit.rotate("receipts");
    const archived = "transit:receipts:v1";
    const before = publicKeysOf(under.signer.verifying()).get(archived)!;
    under.double.transit.configure("receipts", { minDecryption: 2 });
    await under.opened.secrets.refresh();
    expect(publicKeysOf(under.signer.verifying()).get(archived)).toEqual(before);
    const restarted = new TransitUnderTest(under.vault, await TransitUnderTest.opened(under.vault));
    expect(restarted.signer.unverifiable()).toEqual([archived]);
    restarted.rings = ringsWith({ ...under.rings.receipt, retired: new Map([[archived, before]]) });
    expect(restarted.signer.unverifiable()).toEqual([]);
    expect(publicKeysOf(restarted.signer.verifying()).get(archived)).toEqual(before);
  });

  test("of which a version is revoked signs with another one, or not at all", async () => {
    await using under = await TransitUnderTest.start();
    const revoked = new Map([["transit:receipts:v1", { revoked: new Date() }]]);
    under.rings = ringsWith({ ...under.rings.receipt, validity: revoked });
    expect(() => under.signer.currentKeyId()).toThrow(/not available/);
    under.double.transit.rotate("receipts");
    await under.opened.secrets.refresh();
    expect(under.signer.currentKeyId()).toBe("transit:receipts:v2");
  });

  test("is valid from before its making, by as much as clocks may differ", async () => {
    await using under = await TransitUnderTest.start();
    const { validity } = under.signer.verifying();
    const from = validity?.get("transit:receipts:v1")?.from?.getTime() ?? 0;
    expect(under.clock.now() + Date.UTC(2026, 10, 22, 12) - from).toBeGreaterThanOrEqual(600_000);
  });
});

test("Signatures that fail are told as Vault's fault, with reason and detail, until they are made again for 5 s", async () => {
  await using under = await TransitUnderTest.start();
  const sign = () => under.signer.sign("transit:receipts:v1", statement);
  under.double.condition.policy = ["secret/*", "transit/keys/*"];
  await failureOf(sign());
  expect(under.opened.secrets.health()).toMatchObject({
    ...{ state: "degraded", reason: "denied" },
    detail: expect.stringMatching(/refused transit\/sign\/receipts: permission denied/),
  });
  under.double.condition.policy = ["secret/*", "transit/*"];
  await sign();
  expect(under.opened.types("recovered")).toHaveLength(0);
  await under.clock.advance(5000);
  await sign();
  expect(under.opened.types("recovered")).toHaveLength(1);
  expect(under.opened.types("degraded")).toHaveLength(1);
});

describe("A start with a key in Transit", () => {
  test.each([
    ["missing", () => undefined, /no Transit key transit\/keys\/receipts: vault write -f .* type=ed25519/],
    [
      "of another type",
      (vault: VaultUnderTest) => vault.double.transit.create("receipts", "aes256-gcm96"),
      /not of type ed25519/,
    ],
    [
      "that the policy does not allow",
      (vault: VaultUnderTest) => {
        vault.double.transit.create("receipts", "ed25519");
        vault.double.condition.policy = ["secret/*"];
      },
      /refused transit\/keys\/receipts: permission denied/,
    ],
    [
      "beside one for codes that is of another type",
      (vault: VaultUnderTest) => vault.double.transit.create("codes", "aes256-gcm96"),
      /no Transit key transit\/keys\/receipts.*; .*keys\/codes is not of type hmac: .* type=hmac key_size=32/,
    ],
  ])("%s is refused by name", async (_name, prepare, message) => {
    await using vault = await VaultUnderTest.start();
    vault.double.transit.create("codes", "hmac");
    prepare(vault);
    const error = await TransitUnderTest.opened(vault).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(VaultError);
    expect((error as VaultError).message).toMatch(message);
  });
});
