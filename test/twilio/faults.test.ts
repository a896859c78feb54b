import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ProviderError } from "../../src/domain/provider.ts";
import { TwilioSmsProvider } from "../../src/twilio/sms-provider.ts";
import { HttpTransport } from "../../src/twilio/transport.ts";
import { credentials, evidence } from "./credentials-of-tests.ts";
import { created, FaultServer, http } from "./fault-server.ts";

const message = {
  signatureId: "0190b0c0-0000-7000-8000-000000000001",
  challengeId: "0190b0c0-0000-7000-9000-000000000001",
  attempt: 1,
  to: "+34600111001",
  text: "123456 confirma 10 EUR a ACME",
  validitySeconds: 120,
};
const always = { mayBegin: () => true };

/** What must stand in no error: the code, the number, the token, and the header made of it. */
const secrets = [
  "123456",
  "600111001",
  encodeURIComponent(message.to),
  credentials.authToken,
  Buffer.from(`${credentials.accountSid}:${credentials.authToken}`).toString("base64"),
  "Basic ",
  credentials.fromNumber ?? "",
];

const twilioError = (code: number) =>
  JSON.stringify({ code, message: `Invalid 'To' ${message.to}: ${message.text}`, status: 400 });

describe("a create that meets a fault", () => {
  let server: FaultServer;
  let transport: HttpTransport;
  let provider: TwilioSmsProvider;

  beforeEach(async () => {
    server = await FaultServer.start(() => {});
    transport = new HttpTransport({ baseUrl: server.url, connections: 4 });
    provider = new TwilioSmsProvider({
      transport,
      credentials: () => credentials,
      evidenceKey: () => evidence,
      publicUrl: undefined,
      provideFeedback: false,
    });
  });
  afterEach(async () => {
    await transport.close();
    await server.stop();
  });

  async function errorOf(signal: AbortSignal): Promise<ProviderError> {
    const error = await provider.sendChallenge(message, always, signal).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(ProviderError);
    return error as ProviderError;
  }

  const unknown = (providerErrorCode: string) => ({ outcome: "unknown", retryable: true, providerErrorCode });

  test.each([
    ["reset after the request", (socket) => socket.resetAndDestroy(), unknown("connection")],
    ["closed after the request", (socket) => socket.end(), unknown("connection")],
    [
      "a 201 cut short",
      (socket) => socket.end(http(201, created().slice(0, 60), {}, 900)),
      unknown("unreadable"),
    ],
    ["an empty 201", (socket) => socket.write(http(201, "")), unknown("unreadable")],
    ["a 201 of null", (socket) => socket.write(http(201, "null")), unknown("unreadable")],
    ["a 201 of a list", (socket) => socket.write(http(201, "[]")), unknown("unreadable")],
    ["a 201 of HTML", (socket) => socket.write(http(201, `<p>${message.text}`)), unknown("unreadable")],
    [
      "a 201 without a SID",
      (socket) => socket.write(http(201, created({ sid: null }))),
      unknown("unreadable"),
    ],
    [
      "a 201 with a strange SID",
      (socket) => socket.write(http(201, created({ sid: "SM1" }))),
      unknown("unreadable"),
    ],
    ["a 502 of HTML", (socket) => socket.write(http(502, `<p>${message.text}`)), unknown("http_502")],
    ["a 500", (socket) => socket.write(http(500, twilioError(20500))), unknown("20500")],
    [
      "a 307",
      (socket) => socket.write(http(307, "", { location: "http://127.0.0.1:1/" })),
      { outcome: "not_accepted", retryable: false, providerErrorCode: "http_307" },
    ],
    [
      "a 429 with Retry-After",
      (socket) => socket.write(http(429, twilioError(20429), { "retry-after": "3" })),
      { outcome: "not_accepted", retryable: true, retryAfterMs: 3_000, providerErrorCode: "20429" },
    ],
    [
      "a 401",
      (socket) => socket.write(http(401, twilioError(20003))),
      { outcome: "not_accepted", retryable: false, credentialsRefused: true, providerErrorCode: "20003" },
    ],
    [
      "a 400 about the number",
      (socket) => socket.write(http(400, twilioError(21211))),
      { outcome: "rejected", retryable: false, providerErrorCode: "21211" },
    ],
    [
      "a 201 that failed at once",
      (socket) => socket.write(http(201, created({ status: "failed", error_code: 30007 }))),
      { outcome: "rejected", retryable: false, providerErrorCode: "30007" },
    ],
  ] as const satisfies [string, FaultServer["behave"], object][])(
    "%s: is classified, sent once, and gives nothing away",
    async (_, behave, expected) => {
      server.behave = behave;
      const error = await errorOf(AbortSignal.timeout(5_000));
      expect(error).toMatchObject({ provider: "twilio", ...expected });
      expect(server.requests).toHaveLength(1);
      expectNoSecrets(error);
    },
  );

  test("a refused connection is certainly not taken, and gives nothing away", async () => {
    await server.stop();
    const error = await errorOf(AbortSignal.timeout(5_000));
    expect(error).toMatchObject({
      outcome: "not_accepted",
      retryable: true,
      providerErrorCode: "connection",
    });
    expectNoSecrets(error);
  });

  test("a hanging server is given up when the signal fires, and gives nothing away", async () => {
    const stop = new AbortController();
    const call = errorOf(stop.signal);
    await server.requested(1);
    stop.abort();
    const error = await call;
    expect(error).toMatchObject(unknown("timeout"));
    expectNoSecrets(error);
  });

  test("a body that drips is given up when the signal fires", async () => {
    server.behave = (socket) => socket.write(http(201, '{"sid":"SM', {}, 900));
    const stop = new AbortController();
    const call = errorOf(stop.signal);
    await server.requested(1);
    stop.abort();
    expect(await call).toMatchObject(unknown("timeout"));
  });

  test("an answer of another 2xx with a SID is an acceptance", async () => {
    const answer = created({ date_created: "Fri, 16 Jun 2023 17:29:29 +0000" });
    server.behave = (socket) => socket.write(http(200, answer));
    const result = await provider.sendChallenge(message, always, AbortSignal.timeout(5_000));
    expect(result).toMatchObject({
      providerChallengeId: `SM${"a".repeat(32)}`,
      sentAt: new Date("2023-06-16T17:29:30Z"),
    });
  });

  test("without a Date header the time of acceptance is the message's own", async () => {
    const answer = http(201, created({ date_created: "Sat, 17 Jun 2023 10:00:00 +0000" }), { date: "" });
    server.behave = (socket) => socket.write(answer);
    const result = await provider.sendChallenge(message, always, AbortSignal.timeout(5_000));
    expect(result.sentAt).toEqual(new Date("2023-06-17T10:00:00Z"));
  });
});

function expectNoSecrets(error: Error): void {
  const dumps = [
    inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: true }),
    JSON.stringify(error),
    JSON.stringify(error, Object.getOwnPropertyNames(error)),
    String(error),
    String(error.cause),
  ];
  for (const dump of dumps) {
    for (const secret of secrets) expect(dump).not.toContain(secret);
  }
}
