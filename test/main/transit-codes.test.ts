import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { RingCodes } from "../../src/domain/code-derivation.ts";
import type { Keys } from "../../src/domain/keys.ts";
import { codeDerivationContract } from "../contracts/code-derivation.ts";
import { failureOf } from "../support/domain.ts";
import { ringsWith, TransitUnderTest, transitTimeoutMs } from "../support/transit.ts";

const hmacPath = "transit/hmac/codes/sha2-256";
const binding = {
  signatureId: randomUUID(),
  nonce: randomBytes(32),
  transactionDigest: randomBytes(32),
};
const none = { primary: "", keys: new Map() };

codeDerivationContract("the ring of peppers", async () => {
  const rings = (codePepper: Keys["codePepper"]): Keys => ({ ...ringsWith(none), codePepper });
  let stored = { primary: "p1", keys: new Map([["p1", randomBytes(32)]]) };
  let read = rings(stored);
  const refresh = async () => {
    read = rings(stored);
    return read;
  };
  return {
    codes: new RingCodes({ current: () => read, refresh }),
    rotate() {
      stored = { primary: "p2", keys: new Map([...stored.keys, ["p2", randomBytes(32)]]) };
      return "p2";
    },
    read: refresh,
    async [Symbol.asyncDispose]() {},
  };
});

codeDerivationContract("Transit", async () => {
  const under = await TransitUnderTest.start();
  return {
    codes: under.codes,
    rotate: () => `transit:codes:v${under.double.transit.rotate("codes")}`,
    read: () => under.opened.secrets.refresh(),
    [Symbol.asyncDispose]: () => under[Symbol.asyncDispose](),
  };
});

describe("A pepper in Transit", () => {
  test("is not asked for what was started with a pepper of the ring", async () => {
    await using under = await TransitUnderTest.start();
    const pepper = randomBytes(32);
    under.rings = { ...under.rings, codePepper: { primary: "p1", keys: new Map([["p1", pepper]]) } };
    const own = new RingCodes({ current: () => under.rings, refresh: async () => under.rings });
    expect(await under.codes.code("p1", binding)).toBe(await own.code("p1", binding));
    expect(under.double.requestsTo(hmacPath)).toHaveLength(0);
  });

  test("is waited for until the deadline alone", async () => {
    await using under = await TransitUnderTest.start();
    under.double.plan(hmacPath, { kind: "stall" });
    const refused = failureOf(under.codes.code("transit:codes:v1", binding));
    await under.double.received(hmacPath);
    await under.clock.advance(transitTimeoutMs);
    expect(await refused).toMatchObject({ reason: "SERVICE_UNAVAILABLE", cause: { reason: "timeout" } });
  });

  test("of a version that may be used no more is SERVICE_UNAVAILABLE", async () => {
    await using under = await TransitUnderTest.start();
    under.double.transit.rotate("codes");
    under.double.transit.configure("codes", { minEncryption: 2 });
    expect(await failureOf(under.codes.code("transit:codes:v1", binding))).toMatchObject({
      reason: "SERVICE_UNAVAILABLE",
    });
  });

  test("that answers for another version is not believed", async () => {
    await using under = await TransitUnderTest.start();
    const hmac = `vault:v2:${randomBytes(32).toString("base64")}`;
    const answer = { status: 200, body: { data: { batch_results: [{ hmac }] } } };
    under.double.plan(hmacPath, { kind: "answer", answer });
    expect(await failureOf(under.codes.code("transit:codes:v1", binding))).toMatchObject({
      reason: "SERVICE_UNAVAILABLE",
    });
  });
});
