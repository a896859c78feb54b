import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ChallengeMessage } from "../../src/domain/provider.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import type { TwilioCredentials } from "../../src/twilio/credentials.ts";
import { verifyProof } from "../../src/twilio/proof.ts";
import { TwilioSmsProvider, type TwilioSmsProviderDeps } from "../../src/twilio/sms-provider.ts";
import { HttpTransport } from "../../src/twilio/transport.ts";
import { signatureProviderContract } from "../contracts/signature-provider.ts";
import { requestFaults } from "../support/openapi.ts";
import { startTwilio } from "../support/twilio-sandbox.ts";
import { credentials, evidence } from "./credentials-of-tests.ts";

const always = { mayBegin: () => true };
const inTime = () => AbortSignal.timeout(5_000);

const message: ChallengeMessage = {
  signatureId: "0190b0c0-0000-7000-8000-000000000001",
  challengeId: "0190b0c0-0000-7000-9000-000000000001",
  attempt: 2,
  to: "+34600111001",
  text: "123456 confirma 10 EUR a ACME (ES..1234)\n@bank.example #123456",
  validitySeconds: 118,
};

signatureProviderContract("TwilioSmsProvider", async () => {
  let ahead = 0;
  const double = await startTwilio({ clock: () => Date.now() + ahead });
  const transport = new HttpTransport({ baseUrl: double.url, connections: 10 });
  const plan = (step: Parameters<TwilioDouble["plan"]>[1][number]) => double.plan(() => true, [step]);
  return {
    provider: new TwilioSmsProvider({
      transport,
      credentials: () => credentials,
      evidenceKey: () => evidence,
      publicUrl: undefined,
      provideFeedback: false,
    }),
    accepted: () =>
      double.messages.map(({ to, body, sid }) => ({ to, text: body, providerChallengeId: sid })),
    refuseNext: () => void plan({ kind: "refuse", code: 21211 }),
    turnAwayNext: () => void plan({ kind: "status", status: 429 }),
    loseNextAnswer: () => void plan({ kind: "reset_after_accept" }),
    hangNext: () => {
      plan({ kind: "hang_before_accept" });
      return once(double, "call");
    },
    advance: (ms) => {
      ahead += ms;
    },
    close: async () => {
      await transport.close();
      await double.close();
    },
  };
});

describe("TwilioSmsProvider", () => {
  let double: TwilioDouble;
  let transport: HttpTransport;
  let ahead: number;

  beforeEach(async () => {
    ahead = 0;
    double = await startTwilio({
      clock: () => Date.now() + ahead,
      apiKeys: new Map([[`SK${"1".repeat(32)}`, "the-secret"]]),
    });
    transport = new HttpTransport({ baseUrl: double.url, connections: 10 });
  });
  afterEach(async () => {
    await transport.close();
    await double.close();
  });

  function provider(changes: Partial<TwilioSmsProviderDeps> = {}): TwilioSmsProvider {
    return new TwilioSmsProvider({
      transport,
      credentials: () => credentials,
      evidenceKey: () => evidence,
      publicUrl: "https://bank.example/sign/",
      provideFeedback: true,
      ...changes,
    });
  }

  test("a create carries what Twilio's document allows, and nothing else", async () => {
    await provider().sendChallenge(message, always, inTime());
    const [call] = double.calls;
    expect(Object.fromEntries(call?.params ?? [])).toEqual({
      To: message.to,
      From: credentials.fromNumber,
      Body: message.text,
      ValidityPeriod: "118",
      Attempt: "2",
      ProvideFeedback: "true",
      StatusCallback: `https://bank.example/sign/twilio/status?challenge=${message.challengeId}&attempt=2#rc=3&rp=all`,
    });
    expect(
      requestFaults("CreateMessage", {
        method: "POST",
        path: `/2010-04-01/Accounts/${credentials.accountSid}/Messages.json`,
        ...(call && { form: call.params }),
      }),
    ).toEqual([]);
  });

  test("a create without a public URL asks for no receipts", async () => {
    const plain = provider({ publicUrl: undefined, provideFeedback: false });
    await plain.sendChallenge(message, always, inTime());
    expect([...(double.calls[0]?.params.keys() ?? [])]).toEqual(
      expect.not.arrayContaining(["StatusCallback", "ProvideFeedback"]),
    );
  });

  test.each([
    [0.2, "1"],
    [90.9, "90"],
    [99_999, "36000"],
  ])("a code that lives %d s is valid at Twilio for %s s", async (validitySeconds, expected) => {
    await provider().sendChallenge({ ...message, validitySeconds }, always, inTime());
    expect(double.calls[0]?.params.get("ValidityPeriod")).toBe(expected);
  });

  test("a messaging service sends in place of a number", async () => {
    const { accountSid, authToken } = credentials;
    const service: TwilioCredentials = { accountSid, authToken, messagingServiceSid: `MG${"2".repeat(32)}` };
    const result = await provider({ credentials: () => service }).sendChallenge(message, always, inTime());
    expect(double.calls[0]?.params.get("MessagingServiceSid")).toBe(service.messagingServiceSid);
    expect(double.calls[0]?.params.has("From")).toBe(false);
    expect(double.messages[0]).toMatchObject({ sid: result.providerChallengeId });
  });

  test("an API key signs REST calls where there is one", async () => {
    const withKey = { ...credentials, apiKeySid: `SK${"1".repeat(32)}`, apiKeySecret: "the-secret" };
    await provider({ credentials: () => withKey }).sendChallenge(message, always, inTime());
    expect(double.calls[0]?.headers.authorization).toBe(
      `Basic ${Buffer.from(`${withKey.apiKeySid}:the-secret`).toString("base64")}`,
    );
  });

  test("credentials are read anew for every call", async () => {
    let current: TwilioCredentials = { ...credentials, authToken: "the-token-before" };
    const rotating = provider({ credentials: () => current });
    await expect(rotating.sendChallenge(message, always, inTime())).rejects.toMatchObject({
      outcome: "not_accepted",
      retryable: false,
      credentialsRefused: true,
      providerErrorCode: "20003",
    });
    current = credentials;
    await rotating.sendChallenge(message, always, inTime());
    expect(double.messages).toHaveLength(1);
  });

  test("nothing is available or sent without credentials", async () => {
    const bare = provider({ credentials: () => undefined });
    expect(bare.isAvailable()).toBe(false);
    await expect(bare.sendChallenge(message, always, inTime())).rejects.toMatchObject({
      outcome: "not_accepted",
      providerErrorCode: "other",
    });
  });

  test("the proof lists what Twilio answered and fits the text that was sent", async () => {
    const result = await provider().sendChallenge(message, always, inTime());
    expect(result.providerProof).toMatch(
      /^v1;sid=SM[0-9a-f]{32};request=RQ[0-9a-f]{32};date=[\w ,:]+ GMT;status=201;answer=[\w-]{43};kid=e1;hmac=[\w-]{43}$/,
    );
    const facts = verifyProof(result.providerProof, { text: message.text }, () => evidence.key);
    expect(facts).toMatchObject({ sid: result.providerChallengeId, status: "201" });
    expect(Date.parse(facts?.date ?? "")).toBe(result.sentAt.getTime());
  });

  test("the time of acceptance is Twilio's", async () => {
    ahead = 3_600_000;
    const { sentAt } = await provider().sendChallenge(message, always, inTime());
    expect(sentAt.getTime() - Date.now()).toBeGreaterThan(3_590_000);
  });
});
