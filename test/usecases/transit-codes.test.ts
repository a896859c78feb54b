import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CodeDerivation } from "../../src/domain/code-derivation.ts";
import { failureOf } from "../support/domain.ts";
import type { Replica } from "../support/replica.ts";
import { aStartCommand, codeIn, useService, wrongCode } from "../support/service.ts";
import { TransitUnderTest } from "../support/transit.ts";

const service = await useService();
const { time, sql } = service;
const hmacPath = "transit/hmac/codes/sha2-256";
const sealed = {
  kind: "answer" as const,
  answer: { status: 503, body: { errors: ["Vault is sealed"] } },
};

let under: TransitUnderTest;
beforeAll(async () => {
  under = await TransitUnderTest.start({ clock: () => time.date().getTime() });
});
afterAll(() => under[Symbol.asyncDispose]());

const codes: CodeDerivation = {
  currentKeyId: () => under.codes.currentKeyId(),
  code: (keyId, binding) => time.track(under.codes.code(keyId, binding)),
};
const replica = () => service.replica({ codes, resend: { cooldownMs: 0, most: 5 } });
const asked = () => under.double.requestsTo(hmacPath).length;

async function started(at: Replica, command = aStartCommand()) {
  const { signature } = await time.drive(at.startSignature.execute(command, 20_000));
  return { command, id: signature.id, code: codeIn(service.messages(command)[0]) };
}

const complete = (at: Replica, signatureId: string, code: string) =>
  at.completeSignature.execute({ caller: "payments", signatureId, code, transaction: undefined });

const attemptsLeft = async (id: string) => (await service.row("signature", id))["attempts_remaining"];

describe("With a pepper in Transit", () => {
  test("a start and a completion ask it once each, on whichever replica and after a rotation", async () => {
    const before = asked();
    const { id, code } = await started(replica());
    expect(asked() - before).toBe(1);
    expect((await service.row("signature", id))["code_key_id"]).toBe("transit:codes:v1");
    under.double.transit.rotate("codes");
    await under.opened.secrets.refresh();
    const other = replica();
    expect((await failureOf(complete(other, id, wrongCode(code)))).reason).toBe("CODE_MISMATCH");
    expect((await complete(other, id, code)).signature.status).toBe("completed");
    expect(asked() - before).toBe(3);
    const later = await started(other);
    expect((await service.row("signature", later.id))["code_key_id"]).toBe("transit:codes:v2");
  });

  test("a start while Vault is away is SERVICE_UNAVAILABLE before anything is recorded or sent", async () => {
    const at = replica();
    const command = aStartCommand();
    under.double.plan(hmacPath, sealed);
    const refusal = await failureOf(time.drive(at.startSignature.execute(command, 20_000)));
    expect(refusal).toMatchObject({ reason: "SERVICE_UNAVAILABLE", retryAfterMs: 1000 });
    expect(await sql`select from idempotency_key where key = ${command.idempotencyKey}`).toHaveLength(0);
    expect(service.messages(command)).toHaveLength(0);
    expect(at.calls("start")).toBe(0);
    const { id, code } = await started(at, command);
    expect((await complete(at, id, code)).signature.status).toBe("completed");
  });

  test("a completion while Vault is away is SERVICE_UNAVAILABLE and consumes nothing", async () => {
    const at = replica();
    const { id, code } = await started(at);
    for (const typed of [code, wrongCode(code)]) {
      under.double.plan(hmacPath, sealed);
      expect((await failureOf(complete(at, id, typed))).reason).toBe("SERVICE_UNAVAILABLE");
    }
    expect(await attemptsLeft(id)).toBe(3);
    expect((await complete(at, id, code)).signature.status).toBe("completed");
  });

  test("a resend asks it once, and carries the same code", async () => {
    const at = replica();
    const { command, id, code } = await started(at);
    const before = asked();
    const resend = { caller: "payments", signatureId: id, idempotencyKey: crypto.randomUUID() };
    const parameters = { ...resend, channel: undefined, orderedBy: undefined };
    await time.drive(at.sendChallenge.execute(parameters, 20_000));
    expect(asked() - before).toBe(1);
    expect(service.messages(command).map(codeIn)).toEqual([code, code]);
  });
});
