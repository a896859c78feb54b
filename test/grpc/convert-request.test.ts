import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Channel } from "../../src/gen/bank/signature/v1/challenge_pb.ts";
import { AbortReason } from "../../src/gen/bank/signature/v1/signature_pb.ts";
import {
  StartSignatureRequestSchema,
  Warning,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { startCommand } from "../../src/grpc/convert-request.ts";
import { collect, grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { attributes, startFaults, transaction } from "./start-request-faults.ts";

const uuid = "0190a5b8-1111-7111-8111-111111111111";
describe("requests", () => {
  let running: RunningServer;
  beforeAll(async () => {
    running = await runServer();
  });
  afterAll(() => running[Symbol.asyncDispose]());

  it.each(startFaults)("StartSignature refuses %s", async (_, change, field, description) => {
    const error = await grpcError(running.client.startSignature(aStartRequest(change)));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST" });
    expect(error.violations).toEqual([{ field, description }]);
    expect(running.useCases.startCommands).toEqual([]);
  });

  it("StartSignature names every fault at once and none of the values", async () => {
    const secret = "sécret";
    const request = {
      idempotencyKey: secret,
      customerId: `${secret}\n`,
      phoneNumber: secret,
      transaction: {
        type: `${secret}\n`,
        payee: `${secret}\n`,
        payeeAccount: `${secret}\n`,
        reference: `${secret}\n`,
        description: `${secret}\n`,
        attributes: { [`${secret}\n`]: `${secret}\t` },
        amount: { currencyCode: secret, units: -1n, nanos: -1 },
      },
      channel: 9 as Channel,
      locale: "l".repeat(256),
      ttl: { seconds: 601n, nanos: 0 },
      firstFactor: `${secret}\n`,
    };
    const error = await grpcError(running.client.startSignature(request));
    expect(error.violations.map((violation) => violation.field).sort()).toEqual([
      "channel",
      "customer_id",
      "first_factor",
      "idempotency_key",
      "locale",
      "phone_number",
      "transaction.amount.currency_code",
      "transaction.amount.nanos",
      "transaction.amount.units",
      "transaction.attributes",
      "transaction.description",
      "transaction.payee",
      "transaction.payee_account",
      "transaction.reference",
      "transaction.type",
      "ttl",
    ]);
    expect(JSON.stringify(error) + error.message).not.toContain(secret);
  });

  it("StartSignature demands a transaction", async () => {
    const { transaction: _, ...request } = aStartRequest();
    const error = await grpcError(running.client.startSignature(request));
    expect(error.violations).toEqual([{ field: "transaction", description: "is required" }]);
  });

  it("SendChallenge refuses every fault at once", async () => {
    const error = await grpcError(
      running.client.sendChallenge({ signatureId: "nope", channel: 7 as Channel }),
    );
    expect(error.violations).toEqual([
      { field: "signature_id", description: "must be a UUID" },
      { field: "channel", description: "must be a known channel" },
      { field: "idempotency_key", description: "is required" },
    ]);
  });

  it.each(["12345", "1234567", "12345a", "１２３４５６", "12 456", "-12345", "123456\n"])(
    "CompleteSignature refuses the code %j and costs nothing",
    async (code) => {
      const error = await grpcError(running.client.completeSignature({ signatureId: uuid, code }));
      expect(error.violations).toEqual([{ field: "code", description: "must be six ASCII digits" }]);
      expect(running.useCases.completeCommands).toEqual([]);
    },
  );

  it("CompleteSignature refuses every fault at once, those of the transaction too", async () => {
    const error = await grpcError(running.client.completeSignature({ transaction: { type: "t" } }));
    expect(error.violations).toEqual([
      { field: "signature_id", description: "is required" },
      { field: "code", description: "is required" },
      { field: "transaction.payee", description: "is required" },
    ]);
  });

  it("AbortSignature refuses every fault at once", async () => {
    const request = { signatureId: "x", reason: 99 as AbortReason, note: "n".repeat(281) };
    expect((await grpcError(running.client.abortSignature(request))).violations).toEqual([
      { field: "signature_id", description: "must be a UUID" },
      { field: "reason", description: "must be a known reason" },
      { field: "note", description: "must have at most 280 characters" },
    ]);
  });

  it("GetSignature and WatchSignature refuse what is no UUID", async () => {
    const violations = [{ field: "signature_id", description: "must be a UUID" }];
    expect((await grpcError(running.client.getSignature({ signatureId: "1" }))).violations).toEqual(
      violations,
    );
    const watch = collect(running.client.watchSignature({ signatureId: "1" }));
    expect((await grpcError(watch)).violations).toEqual(violations);
  });

  it("hands every field of a request to the use case", async () => {
    const { useCases, client } = running;
    const started = await client.startSignature(
      aStartRequest({
        idempotencyKey: `!${"~".repeat(127)}`,
        channel: Channel.VOICE,
        locale: "ES-es",
        ttl: { seconds: 1n, nanos: 500_000_000 },
        firstFactor: "acr-2",
        transaction: {
          type: "transfer",
          amount: { currencyCode: "JPY", units: 999_999_999_999n, nanos: 0 },
          payee: "Panaderi\u0301a",
          payeeAccount: "ES91",
          reference: "r-1",
          description: "Pan",
          attributes: attributes(20),
        },
      }),
    );
    expect(useCases.startCommands.at(-1)).toMatchObject({
      caller: "local",
      idempotencyKey: `!${"~".repeat(127)}`,
      customerId: "customer-1",
      phoneNumber: { e164: "+34600000001" },
      channel: "voice",
      locale: "es-ES",
      ttlMs: 1500,
      firstFactor: "acr-2",
      transaction: {
        type: "transfer",
        amount: { currencyCode: "JPY", units: 999_999_999_999n, nanos: 0 },
        payee: "Panader\u00eda",
        payeeAccount: "ES91",
        reference: "r-1",
        description: "Pan",
        attributes: new Map(Object.entries(attributes(20))),
      },
    });
    const signatureId = started.signature!.id.toUpperCase();
    await client.sendChallenge({ signatureId, channel: Channel.PUSH, idempotencyKey: "k" });
    expect(useCases.sendCommands).toEqual([
      { caller: "local", signatureId: signatureId.toLowerCase(), channel: "push", idempotencyKey: "k" },
    ]);
    await client.completeSignature({ signatureId, code: useCases.code, transaction });
    expect(useCases.completeCommands.at(-1)).toMatchObject({ code: "123456", transaction });
    const reason = AbortReason.FRAUD_SUSPECTED;
    await grpcError(client.abortSignature({ signatureId, reason, note: "seen twice" }));
    expect(useCases.abortCommands.at(-1)).toMatchObject({ reason: "fraud_suspected", note: "seen twice" });
    for (const [note, found] of [
      ["ask 612 34 56 78", "a number"],
      ["ana@bank.example", "an e-mail address"],
      ["to ES91 2100 0418 4502 0005 1332", "an IBAN"],
    ] as const) {
      const personal = await grpcError(client.abortSignature({ signatureId, reason, note }));
      expect(personal.reason).toBe("INVALID_REQUEST");
      expect(JSON.stringify(personal.violations)).toContain(`must hold no personal data: it has ${found}`);
      expect(JSON.stringify(personal)).not.toContain(note);
    }
  });

  it("leaves to the use case what the caller left out, and fills in the configured life", () => {
    const command = startCommand(create(StartSignatureRequestSchema, aStartRequest()), "payments", 240_000);
    expect(command).toMatchObject({
      caller: "payments",
      channel: undefined,
      locale: "",
      ttlMs: 240_000,
      firstFactor: "",
    });
  });

  it.each([
    ["a locale that is none", { locale: "es_ES!" }, "", ["locale_not_understood"]],
    ["blanks for a locale", { locale: "  " }, "", ["locale_not_understood"]],
    ["a locale as POSIX writes it", { locale: "es_MX" }, "es-MX", []],
    [
      "a locale with extensions",
      { locale: "es-MX-u-ca-gregory-nu-latn-x-app" },
      "es-MX-u-ca-gregory-nu-latn-x-app",
      [],
    ],
    [
      "a locale beyond 35 characters",
      { locale: `en-x${"-abcdefgh".repeat(9)}` },
      `en-x${"-abcdefgh".repeat(9)}`,
      [],
    ],
    ["a language that nobody knows", { locale: "qaa-Latn-419" }, "qaa-Latn-419", []],
  ])("takes %s, as a hint", async (title, change, locale, warnings) => {
    const { client, useCases } = running;
    const request = aStartRequest({ ...change, idempotencyKey: title.replaceAll(" ", "-") });
    const answers = [await client.startSignature(request), await client.startSignature(request)];
    expect(useCases.startCommands.at(-1)).toMatchObject({ locale, warnings });
    const said = warnings.map(() => Warning.LOCALE_NOT_UNDERSTOOD);
    expect(answers.map((answer) => answer.warnings)).toEqual([said, said]);
  });

  it("warns of what a message does not show as it came, and of names that mix scripts, each time", async () => {
    const { client } = running;
    const request = aStartRequest({
      idempotencyKey: "warned",
      transaction: {
        type: "transfer",
        payee: "Iberdr\u043ela",
        description: "Si no fue usted llame +34 911 23 45 67",
      },
    });
    const answers = [await client.startSignature(request), await client.startSignature(request)];
    const warnings = [Warning.PAYEE_MIXED_SCRIPTS, Warning.DESCRIPTION_ALTERED];
    expect(answers.map((answer) => [answer.replayed, answer.warnings])).toEqual([
      [false, warnings],
      [true, warnings],
    ]);
  });

  it("takes an old number in today's form, says so, and knows both for one request", () => {
    const command = (phoneNumber: string) =>
      startCommand(create(StartSignatureRequestSchema, aStartRequest({ phoneNumber })), "payments", 1);
    expect(command("+5215512345678")).toEqual({
      ...command("+525512345678"),
      warnings: ["phone_number_normalised"],
    });
  });

  it.each([1n, 600n])("takes a ttl of %s s", async (seconds) => {
    const request = aStartRequest({ ttl: { seconds, nanos: 0 }, idempotencyKey: `ttl-${seconds}` });
    const { signature } = await running.client.startSignature(request);
    expect(signature!.expiresAt!.seconds - signature!.createdAt!.seconds).toBe(seconds);
  });
});
