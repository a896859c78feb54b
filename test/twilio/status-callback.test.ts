import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ClaimedReceipt } from "../../src/domain/delivery-receipt.ts";
import { webhookSignature } from "../../src/sandbox/webhook-signature.ts";
import type { TwilioCredentials } from "../../src/twilio/credentials.ts";
import { verifyProof } from "../../src/twilio/proof.ts";
import { TwilioSmsProvider } from "../../src/twilio/sms-provider.ts";
import { statusCallbackHandler } from "../../src/twilio/status-callback.ts";
import { HttpTransport } from "../../src/twilio/transport.ts";
import { startTwilio } from "../support/twilio-sandbox.ts";
import { credentials, evidence } from "./credentials-of-tests.ts";

const challengeId = "0190b0c0-0000-7000-9000-000000000001";
const sid = `SM${"a".repeat(32)}`;
const publicUrl = "https://bank.example/sign";

describe("POST /twilio/status", () => {
  let server: Server;
  let origin: string;
  let current: TwilioCredentials | undefined;
  let record: (receipt: ClaimedReceipt) => Promise<void>;
  let receipts: ClaimedReceipt[];
  let now: number;
  let refreshes: number;
  let refresh: () => Promise<unknown>;

  beforeEach(async () => {
    current = credentials;
    receipts = [];
    now = 1_000_000;
    refreshes = 0;
    refresh = async () => undefined;
    record = async (receipt) => void receipts.push(receipt);
    const handle = statusCallbackHandler({
      publicUrl,
      credentials: () => current,
      refreshCredentials() {
        refreshes += 1;
        return refresh();
      },
      clock: { now: () => now },
      evidenceKey: () => evidence,
      record: (receipt) => record(receipt),
    });
    server = createServer((request, response) => void handle(request, response)).listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  interface Sent {
    params?: Record<string, string>;
    search?: string;
    token?: string;
    signature?: string;
    method?: string;
    path?: string;
  }

  function callback(sent: Sent = {}): Promise<Response> {
    const { params = { MessageSid: sid, MessageStatus: "delivered" }, token = credentials.authToken } = sent;
    const { search = `?challenge=${challengeId}&attempt=2`, method = "POST", path = "/twilio/status" } = sent;
    const signed = webhookSignature(
      token,
      `${publicUrl}/twilio/status${search}`,
      new Map(Object.entries(params)),
    );
    return fetch(`${origin}${path}${search}`, {
      method,
      headers: { "x-twilio-signature": sent.signature ?? signed },
      ...(method === "POST" && { body: new URLSearchParams(params) }),
    });
  }

  test.each([
    ["queued", "accepted"],
    ["accepted", "accepted"],
    ["sending", "accepted"],
    ["sent", "accepted"],
    ["delivered", "delivered"],
    ["read", "delivered"],
    ["undelivered", "undelivered"],
    ["failed", "undelivered"],
    ["canceled", "undelivered"],
  ])("Twilio's %s is a receipt of %s", async (reported, status) => {
    const params = { MessageSid: sid, MessageStatus: reported, ErrorCode: "30003", To: "+34600111001" };
    expect((await callback({ params })).status).toBe(204);
    expect(receipts).toEqual([
      {
        provider: "twilio",
        challengeId,
        attempt: 2,
        providerChallengeId: sid,
        status,
        providerErrorCode: status === "undelivered" ? "30003" : undefined,
        accountAtFault: false,
        foreignAccount: false,
        destinations: ["+34600111001"],
        parameters: JSON.stringify({
          ...{ attempt: "2", MessageSid: sid, MessageStatus: reported, ErrorCode: "30003" },
        }),
        providerProof: expect.stringMatching(`^v1;sid=${sid};request=;date=;status=${reported};`),
      },
    ]);
    const { providerProof = "", parameters = "" } = receipts[0] ?? {};
    const proves = (answer: string) => verifyProof(providerProof, { text: "", answer }, () => evidence.key);
    expect(proves(parameters)).toBeDefined();
    expect(proves(parameters.replace("30003", "30004"))).toBeUndefined();
    expect(JSON.stringify({ ...receipts[0], destinations: [] })).not.toContain("600111001");
  });

  test.each([
    ["30001", true],
    ["30034", true],
    ["21704", true],
    ["63999", true],
    ["30003", false],
    ["30007", false],
    ["21610", false],
    ["30008", false],
    ["", false],
  ])("a failure with %j is put down to our account: %s", async (code, accountAtFault) => {
    await callback({ params: { MessageSid: sid, MessageStatus: "undelivered", ErrorCode: code } });
    expect(receipts).toMatchObject([{ status: "undelivered", accountAtFault }]);
  });

  test("a failure without a number of Twilio's is told as other", async () => {
    await callback({ params: { MessageSid: sid, MessageStatus: "failed", ErrorCode: "call +34600111001" } });
    expect(receipts).toMatchObject([{ status: "undelivered", providerErrorCode: "other" }]);
  });

  test.each([
    ["an unknown status", { params: { MessageSid: sid, MessageStatus: "teleported" } }],
    ["a status that every object has", { params: { MessageSid: sid, MessageStatus: "constructor" } }],
    ["no parameters", { params: {} }],
    ["no query", { search: "" }],
    ["a challenge that is no UUID", { search: "?challenge=x&attempt=1" }],
    ["an attempt that is no number", { search: `?challenge=${challengeId}&attempt=-1` }],
    ["a SID that is none", { params: { MessageSid: "SM1", MessageStatus: "sent" } }],
  ] as [string, Sent][])(
    "a well signed call with %s is answered 204 and changes nothing",
    async (_, sent) => {
      expect((await callback(sent)).status).toBe(204);
      expect(receipts).toEqual([]);
    },
  );

  test("AccountSid is told to be another's only where it is there", async () => {
    for (const account of [{ AccountSid: `AC${"f".repeat(32)}` }, { AccountSid: credentials.accountSid }, {}])
      await callback({ params: { MessageSid: sid, MessageStatus: "sent", ...account } });
    expect(receipts.map(({ foreignAccount }) => foreignAccount)).toEqual([true, false, false]);
  });

  test("takes the older names of the parameters", async () => {
    await callback({ params: { SmsSid: sid, SmsStatus: "sent" } });
    expect(receipts).toMatchObject([{ providerChallengeId: sid, status: "accepted" }]);
  });

  test("takes the path of PUBLIC_URL too, where the ingress passes it on", async () => {
    expect((await callback({ path: "/sign/twilio/status" })).status).toBe(204);
    expect(receipts).toHaveLength(1);
  });

  test.each([
    ["another token", { token: "another" }],
    ["an empty token", { token: "" }],
    ["no signature", { signature: "" }],
    ["a made-up signature", { signature: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" }],
  ] as [string, Sent][])("a call with %s is refused with 403", async (_, sent) => {
    expect((await callback(sent)).status).toBe(403);
    expect(receipts).toEqual([]);
  });

  test("a signed call cannot be moved to another challenge", async () => {
    const params = { MessageSid: sid, MessageStatus: "delivered" };
    const url = `${publicUrl}/twilio/status?challenge=${challengeId}&attempt=2`;
    const signature = webhookSignature(credentials.authToken, url, new Map(Object.entries(params)));
    const search = "?challenge=0190b0c0-0000-7000-9000-000000000002&attempt=2";
    expect((await callback({ params, search, signature })).status).toBe(403);
  });

  test("the previous auth token is accepted where there is one, and nothing without credentials", async () => {
    expect((await callback({ token: "before" })).status).toBe(403);
    current = { ...credentials, authTokenPrevious: "before" };
    expect((await callback({ token: "before" })).status).toBe(204);
    expect((await callback()).status).toBe(204);
    current = undefined;
    expect((await callback()).status).toBe(403);
    expect(receipts).toHaveLength(2);
  });

  test("a call signed with a token that is not known yet is taken once the secrets were read again", async () => {
    refresh = async () => {
      current = { ...credentials, authToken: "rotated" };
    };
    expect((await callback()).status).toBe(204);
    expect(refreshes).toBe(0);
    const answers = await Promise.all([callback({ token: "rotated" }), callback({ token: "rotated" })]);
    expect(answers.map(({ status }) => status)).toEqual([204, 204]);
    expect([refreshes, receipts.length]).toEqual([1, 3]);
  });

  test("forged calls have the secrets read again at most once in 10 s, and those without a signature never", async () => {
    expect((await callback({ signature: "" })).status).toBe(403);
    expect((await callback({ signature: "forged" })).status).toBe(403);
    expect(refreshes).toBe(0);
    const statuses = async (count: number) =>
      (await Promise.all(Array.from({ length: count }, () => callback({ token: "forged" })))).map(
        ({ status }) => status,
      );
    expect(await statuses(5)).toEqual(Array(5).fill(403));
    now += 9_999;
    expect(await statuses(5)).toEqual(Array(5).fill(403));
    expect(refreshes).toBe(1);
    now += 1;
    expect(await statuses(1)).toEqual([403]);
    expect(refreshes).toBe(2);
  });

  test("calls that come while the secrets are read share that reading, and are refused where it fails", async () => {
    const reading = Promise.withResolvers<never>();
    const begun = Promise.withResolvers<void>();
    refresh = () => {
      begun.resolve();
      return reading.promise;
    };
    const first = callback({ token: "forged" });
    await begun.promise;
    now += 60_000;
    const second = callback({ token: "forged" });
    // Answered at once, and so a sign that the one before it waits.
    expect((await callback()).status).toBe(204);
    reading.reject(new Error("Vault is away"));
    expect([(await first).status, (await second).status]).toEqual([403, 403]);
    expect(refreshes).toBe(1);
    expect(receipts).toHaveLength(1);
  });

  test("another path is not found and another method not allowed", async () => {
    expect((await callback({ path: "/twilio/other" })).status).toBe(404);
    const response = await callback({ method: "GET" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "POST"]);
  });

  test("a body of more than 16 KiB is refused, whoever signed it", async () => {
    const response = await callback({ params: { MessageSid: sid, Note: "x".repeat(17_000) } });
    expect(response.status).toBe(413);
    expect((await callback({ params: { MessageSid: sid, Note: "x".repeat(15_000) } })).status).toBe(204);
  });

  test("what could not be recorded is answered 503, so that Twilio comes again", async () => {
    record = async () => {
      throw new Error("the database is away");
    };
    const response = await callback();
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(await response.text()).toBe("");
  });

  test("what Twilio's side makes of our address comes back as receipts of the challenge", async () => {
    const double = await startTwilio({ behaviour: { queueMs: 1, deliverMs: 1 } });
    const transport = new HttpTransport({ baseUrl: double.url, connections: 1 });
    const handle = statusCallbackHandler({
      publicUrl: origin,
      credentials: () => current,
      refreshCredentials: () => refresh(),
      clock: { now: () => now },
      evidenceKey: () => evidence,
      record: (receipt) => record(receipt),
    });
    server.removeAllListeners("request");
    server.on("request", (request, response) => void handle(request, response));
    const provider = new TwilioSmsProvider({
      transport,
      credentials: () => credentials,
      evidenceKey: () => evidence,
      publicUrl: origin,
      provideFeedback: false,
    });
    const message = { signatureId: challengeId, challengeId, attempt: 3, to: "+34600111001" };
    const { providerChallengeId } = await provider.sendChallenge(
      { ...message, text: "123456 confirma", validitySeconds: 60 },
      { mayBegin: () => true },
      AbortSignal.timeout(5_000),
    );
    await double.callbacksMade(providerChallengeId, 1, "delivered");
    expect(receipts.at(-1)).toMatchObject({
      challengeId,
      attempt: 3,
      providerChallengeId,
      status: "delivered",
    });
    await transport.close();
    await double.close();
  });
});
