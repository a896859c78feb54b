import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import { parsePhoneNumber } from "../../src/domain/phone-number.ts";
import { aTransaction, failureOf } from "../support/domain.ts";
import { aStartCommand, codeIn, useService } from "../support/service.ts";

const service = await useService();
const { time } = service;
const premiumRate = parsePhoneNumber(new Faults(), "phone_number", "+33899123456")!;

describe("StartSignature", () => {
  test("begins nothing for a caller that has gone, and does not take its rate for it", async () => {
    const replica = service.replica({ callerPerSecond: 1 });
    const command = aStartCommand();
    const gone = await failureOf(time.drive(replica.startSignature.execute(command, 20_000, () => false)));
    expect(gone.reason).toBe("SERVICE_UNAVAILABLE");
    expect(service.messages(command)).toEqual([]);
    const { replayed } = await time.drive(replica.startSignature.execute(command, 20_000, () => true));
    expect(replayed).toBe(false);
    expect(service.messages(command)).toHaveLength(1);
  });

  test("records the signature, sends the code and answers with the challenge sent", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const { signature, replayed } = await time.drive(replica.startSignature.execute(command, 20_000));
    const [message, ...others] = service.messages(command);
    expect(others).toEqual([]);
    expect(replayed).toBe(false);
    expect(signature).toMatchObject({
      status: "challenge_sent",
      attemptsRemaining: 3,
      createdAt: time.date(),
      expiresAt: new Date(time.date().getTime() + 300_000),
      challenge: {
        status: "sent",
        channel: "sms",
        inProgress: false,
        providerChallengeId: message?.providerChallengeId,
        providerProof: `fake;sid=${message?.providerChallengeId}`,
        sentAt: time.date(),
      },
    });
    expect(signature.challenge.maskedDestination).toBe(`+34 *** *** ${command.phoneNumber.e164.slice(-3)}`);
    expect(message).toMatchObject({
      to: command.phoneNumber.e164,
      attempt: 1,
      validitySeconds: 300,
      signatureId: signature.id,
      challengeId: signature.challenge.id,
    });
    expect(message?.text).toMatch(/^\d{6} firma el pago de 12,50 EUR a Panaderia Sol \(\.\.1332\).* 5 min/);
    expect(await replica.timeline(signature.id)).toEqual([
      "SIGNATURE_STARTED",
      "CHALLENGE_CREATED",
      "CHALLENGE_SENT",
    ]);
    expect(replica.observed.map((observation) => observation.type)).toEqual([
      "signature_started",
      "message_composed",
      "challenge_sent",
    ]);
  });

  test("sends the bank's message and nobody else's, and counts what a caller was warned of", async () => {
    const replica = service.replica();
    const transaction = aTransaction({
      payee: "Iberdr\u043ela",
      description: "FRAUDE? Llame al 911234567 ya",
      amount: { currencyCode: "MXN", units: 1250n, nanos: 500_000_000 },
    });
    const warnings = ["payee_mixed_scripts", "description_altered"] as const;
    const command = aStartCommand({ transaction, locale: "es-MX", warnings });
    await service.time.drive(replica.startSignature.execute(command, 20_000));
    const [message] = service.messages(command);
    expect(message?.text).toMatch(/^\d{6} firma el pago de 1,250\.50 MXN a Iberdr\u043ela \(\.\.1332\)\. /);
    const named = aStartCommand({ transaction: { ...transaction, payee: "ACME SL", payeeAccount: "" } });
    await service.time.drive(replica.startSignature.execute(named, 20_000));
    expect(service.messages(named)[0]?.text).toContain("a ACME SL: FRAUDE? Llame al ..4567 ya. ");
    expect(replica.saw("signature_started")).toEqual([
      { type: "signature_started", warnings },
      { type: "signature_started", warnings: [] },
    ]);
  });

  test("commits signature, challenge and first call before the provider is called", async () => {
    const replica = service.replica();
    const held = service.provider.holdNext();
    const call = replica.startSignature.execute(aStartCommand(), 20_000);
    const [message] = await service.provider.called(1);
    const challenge = await service.row("challenge", message?.challengeId ?? "");
    expect(challenge).toMatchObject({ status: "pending", calls: 1, calls_left: 3, lease_epoch: 1 });
    expect(await service.row("signature", message?.signatureId ?? "")).toMatchObject({ status: "pending" });
    held.release();
    await time.drive(call);
  });

  test("keeps number and customer sealed or keyed, and neither code nor number in clear", async () => {
    const replica = service.replica();
    const command = aStartCommand();
    const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
    const rows = await service.sql`
      select to_jsonb(s) || to_jsonb(c) as row, (select json_agg(e) from event e where e.signature_id = s.id) as events
      from signature s join challenge c on c.signature_id = s.id where s.id = ${signature.id}`;
    const dump = JSON.stringify(rows);
    const code = codeIn(service.messages(command)[0]);
    for (const secret of [command.phoneNumber.e164.slice(1), command.customerId]) {
      expect(dump).not.toContain(secret);
      expect(dump).not.toContain(Buffer.from(secret).toString("hex"));
    }
    expect(dump).not.toMatch(new RegExp(`(?<![0-9a-f])${code}(?![0-9a-f])`));
    expect(JSON.stringify(replica.observed)).not.toContain(code);
  });

  test("answers OK with the challenge in progress when the caller cannot wait, and the work goes on", async () => {
    const replica = service.replica();
    const held = service.provider.holdNext();
    const command = aStartCommand();
    const { signature } = await time.drive(replica.startSignature.execute(command, 800));
    expect(signature).toMatchObject({
      status: "pending",
      challenge: { status: "pending", inProgress: true },
    });
    expect(replica.inFlight.size).toBe(1);
    held.release();
    await time.idle();
    expect((await replica.history(signature.id)).signature).toMatchObject({
      status: "challenge_sent",
      challenge: { status: "sent", inProgress: false },
    });
    expect(service.messages(command)).toHaveLength(1);
    expect(replica.inFlight.size).toBe(0);
  });

  test("refused by the provider: PROVIDER_REJECTED, challenge failed, signature open", async () => {
    const replica = service.replica();
    service.provider.failNext(service.provider.error("rejected", "21211"));
    const failure = await time.drive(failureOf(replica.startSignature.execute(aStartCommand(), 20_000)));
    const signatureId = failure.metadata["signature_id"] ?? "";
    const { signature, challenges } = await replica.history(signatureId);
    expect(failure).toMatchObject({
      reason: "PROVIDER_REJECTED",
      metadata: { provider: "twilio", provider_error_code: "21211", challenge_id: challenges[0]?.id },
    });
    expect(signature).toMatchObject({
      status: "pending",
      closedAt: undefined,
      challenge: { status: "failed", providerErrorCode: "21211", inProgress: false },
    });
    expect(service.provider.calls).toHaveLength(1);
    expect((await replica.timeline(signatureId)).at(-1)).toBe("CHALLENGE_REFUSED");
  });

  test("certainly not taken is retried by the policy, each call committed first", async () => {
    const replica = service.replica();
    const busy = service.provider.error("not_accepted", "20429");
    service.provider.failNext(busy);
    service.provider.failNext(busy);
    const before = time.now();
    const { signature } = await time.drive(replica.startSignature.execute(aStartCommand(), 20_000));
    expect(time.now() - before).toBe(1500);
    expect(signature.challenge.status).toBe("sent");
    expect(service.provider.calls.map((call) => [call.attempt, call.validitySeconds])).toEqual([
      [1, 300],
      [2, 299],
      [3, 298],
    ]);
    expect(new Set(service.provider.calls.map((call) => call.text)).size).toBe(1);
    expect(await service.row("challenge", signature.challenge.id)).toMatchObject({ calls: 3, calls_left: 1 });
  });

  test("given up: PROVIDER_UNAVAILABLE once that is committed, with the lease cleared", async () => {
    const replica = service.replica();
    for (let n = 0; n < 4; n += 1) service.provider.failNext(service.provider.error("not_accepted", "20429"));
    const failure = await time.drive(failureOf(replica.startSignature.execute(aStartCommand(), 20_000)));
    expect(failure).toMatchObject({
      reason: "PROVIDER_UNAVAILABLE",
      retryAfterMs: expect.any(Number),
      metadata: { provider: "twilio", provider_error_code: "20429" },
    });
    const { signature } = await replica.history(failure.metadata["signature_id"] ?? "");
    expect(signature).toMatchObject({
      status: "pending",
      closedAt: undefined,
      challenge: { status: "pending", inProgress: false },
    });
    expect(failure.metadata["challenge_id"]).toBe(signature.challenge.id);
    const row = await service.row("challenge", signature.challenge.id);
    expect(row).toMatchObject({ lease_until: null, calls: 4, calls_left: 0 });
    expect((await replica.timeline(signature.id)).at(-1)).toBe("CHALLENGE_GIVEN_UP");
    await time.pass(60_000);
    await replica.sweep();
    expect(service.provider.calls).toHaveLength(4);
  });

  test.each([
    ["CHANNEL_UNAVAILABLE", { channel: "push" as const }],
    ["DESTINATION_NOT_ALLOWED", {}],
    ["DESTINATION_NOT_ALLOWED", { phoneNumber: premiumRate }],
  ])("%s records nothing", async (reason, over) => {
    const replica = service.replica({ allowedCountries: new Set(["FR"]) });
    const command = aStartCommand(over);
    expect(await time.drive(failureOf(replica.startSignature.execute(command, 20_000)))).toMatchObject({
      reason,
    });
    const keys = await service.sql`select from idempotency_key where key = ${command.idempotencyKey}`;
    expect(keys).toHaveLength(0);
    expect(service.provider.calls).toHaveLength(0);
  });

  test("another amount or payee is signed with another code", async () => {
    const replica = service.replica();
    const one = aStartCommand();
    const other = aStartCommand({ transaction: aTransaction({ payee: "Panadería Luna" }) });
    for (const command of [one, other]) await time.drive(replica.startSignature.execute(command, 20_000));
    expect(codeIn(service.messages(one)[0])).not.toBe(codeIn(service.messages(other)[0]));
  });

  test("an acceptance is not lost to a database that is away for a moment", async () => {
    const replica = service.replica();
    replica.loseDatabase("accepted", 3);
    const command = aStartCommand();
    const { signature } = await time.drive(replica.startSignature.execute(command, 20_000));
    expect(signature.challenge.status).toBe("sent");
    expect(service.messages(command)).toHaveLength(1);
    expect(replica.saw("upkeep_failed")).toHaveLength(3);
  });

  test("a database that is away when the call begins is SERVICE_UNAVAILABLE, and nothing is sent", async () => {
    const replica = service.replica();
    replica.loseDatabase("start", 1);
    const command = aStartCommand();
    const failure = await time.drive(failureOf(replica.startSignature.execute(command, 20_000)));
    expect(failure.reason).toBe("SERVICE_UNAVAILABLE");
    expect(service.provider.calls).toHaveLength(0);
    await time.drive(replica.startSignature.execute(command, 20_000));
    expect(service.messages(command)).toHaveLength(1);
  });
});
