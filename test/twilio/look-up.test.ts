import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { verifyProof } from "../../src/twilio/proof.ts";
import { TwilioSmsProvider } from "../../src/twilio/sms-provider.ts";
import { HttpTransport } from "../../src/twilio/transport.ts";
import { requestFaults } from "../support/openapi.ts";
import { startTwilio } from "../support/twilio-sandbox.ts";
import { credentials, evidence } from "./credentials-of-tests.ts";

const always = { mayBegin: () => true };
const inTime = () => AbortSignal.timeout(5_000);

const message = {
  signatureId: "0190b0c0-0000-7000-8000-000000000001",
  challengeId: "0190b0c0-0000-7000-9000-000000000001",
  attempt: 1,
  to: "+34600111001",
  text: "123456 confirma 10 EUR a ACME\n@bank.example #123456",
  validitySeconds: 120,
};

describe("a look-up", () => {
  let double: TwilioDouble;
  let transport: HttpTransport;
  let provider: TwilioSmsProvider;
  let ahead: number;

  beforeEach(async () => {
    ahead = 0;
    double = await startTwilio({ clock: () => Date.now() + ahead });
    transport = new HttpTransport({ baseUrl: double.url, connections: 2 });
    provider = providerOver(transport);
  });
  afterEach(async () => {
    await transport.close();
    await double.close();
  });

  const query = { to: message.to, text: message.text, firstCallAgeMs: 0 };

  test("asks for the number only, as Twilio's document allows", async () => {
    const recorder = await recordingServer(() => ({ messages: [], next_page_uri: null }));
    await recorder.provider.findChallenges(query, inTime());
    const url = new URL(recorder.urls[0] ?? "", "http://twilio");
    expect([...url.searchParams.keys()]).toEqual(["To", "PageSize"]);
    expect(
      requestFaults("ListMessage", { method: "GET", path: url.pathname, query: url.searchParams }),
    ).toEqual([]);
    await recorder.close();
  });

  test("follows the pages until they are too old", async () => {
    for (let index = 0; index < 3; index += 1) {
      await provider.sendChallenge({ ...message, text: `old ${index}` }, always, inTime());
    }
    ahead += 60_000;
    const first = await provider.sendChallenge(message, always, inTime());
    for (let index = 0; index < 60; index += 1) {
      await provider.sendChallenge({ ...message, text: `other ${index}` }, always, inTime());
    }
    const found = await provider.findChallenges(query, inTime());
    expect(found.map(({ providerChallengeId }) => providerChallengeId)).toEqual([first.providerChallengeId]);
    expect(double.counts.lookups).toBe(2);
  });

  test("takes a message with an empty body for one that the account redacted", async () => {
    const sent = await provider.sendChallenge(message, always, inTime());
    double.behaviour.redactsBodies = true;
    const redacted = await provider.sendChallenge({ ...message, text: "another" }, always, inTime());
    const found = await provider.findChallenges(query, inTime());
    expect(found.map(({ providerChallengeId }) => providerChallengeId)).toEqual(
      expect.arrayContaining([sent.providerChallengeId, redacted.providerChallengeId]),
    );
  });

  test("finds a text that a trial account put words in front of", async () => {
    const text = `Sent from your Twilio trial account - ${message.text}`;
    const { providerChallengeId } = await provider.sendChallenge({ ...message, text }, always, inTime());
    expect(await provider.findChallenges(query, inTime())).toMatchObject([{ providerChallengeId }]);
  });

  test("proves each message that it finds", async () => {
    await provider.sendChallenge(message, always, inTime());
    const [found] = await provider.findChallenges(query, inTime());
    const facts = verifyProof(found?.providerProof ?? "", { text: message.text }, () => evidence.key);
    expect(facts).toMatchObject({ sid: found?.providerChallengeId, status: "200" });
  });

  test.each([
    ["is cut off", { kind: "truncated" }],
    ["is answered with 500", { kind: "status", status: 500 }],
    ["is reset", { kind: "reset" }],
    ["is HTML", { kind: "status", status: 200, body: "html" }],
  ] as const)("that %s is an error, not an absence", async (_, step) => {
    double.planLookups(message.to, [step]);
    await expect(provider.findChallenges(query, inTime())).rejects.toMatchObject({
      name: "ProviderError",
      outcome: "unknown",
    });
  });

  test.each([
    ["has no end", (url: string) => ({ messages: [listed()], next_page_uri: `${url}&Page=1&PageToken=x` })],
    ["has a next page that it does not name", () => ({ messages: [], next_page_uri: "/2010-04-01/x?y=z" })],
    ["is no list", () => ({ nothing: true })],
    ["lists nothing sensible", () => ({ messages: [null], next_page_uri: null })],
  ])("that %s is an error, not an absence", async (_, page) => {
    const recorder = await recordingServer(page);
    await expect(recorder.provider.findChallenges(query, inTime())).rejects.toMatchObject({
      providerErrorCode: "unreadable",
    });
    expect(recorder.urls.length).toBeLessThanOrEqual(10);
    await recorder.close();
  });

  test("never leaves the configured address, wherever the next page is said to be", async () => {
    const pages = [
      { messages: [listed()], next_page_uri: "//evil.example/2010-04-01/x?Page=1&PageToken=t" },
      { messages: [], next_page_uri: null },
    ];
    const recorder = await recordingServer(() => pages.shift() ?? {});
    await recorder.provider.findChallenges(query, inTime());
    expect(recorder.urls).toHaveLength(2);
    expect(recorder.urls[1]).toMatch(/^\/2010-04-01\/Accounts\/AC\w+\/Messages\.json\?To=/);
    await recorder.close();
  });

  test("without a Date header is an error: the age of a message cannot be told", async () => {
    const recorder = await recordingServer(() => ({ messages: [], next_page_uri: null }), false);
    await expect(recorder.provider.findChallenges(query, inTime())).rejects.toMatchObject({
      providerErrorCode: "unreadable",
    });
    await recorder.close();
  });

  test("reads no further than the first page that is too old", async () => {
    const old = listed({ date_created: "Fri, 16 Jun 2023 17:29:30 +0000" });
    const recorder = await recordingServer(() => ({
      messages: recorder.urls.length === 1 ? [listed(), old] : [old, old],
      next_page_uri: "/2010-04-01/x?Page=1&PageToken=t",
    }));
    expect(await recorder.provider.findChallenges(query, inTime())).toHaveLength(1);
    expect(recorder.urls).toHaveLength(2);
    await recorder.close();
  });

  test("leaves out what is not to the number, and puts the older of one second first", async () => {
    const [later, earlier] = [`SM${"c".repeat(32)}`, `SM${"b".repeat(32)}`];
    const recorder = await recordingServer(() => ({
      messages: [listed({ sid: later }), listed({ to: "+34600111002" }), listed({ sid: earlier })],
      next_page_uri: null,
    }));
    const found = await recorder.provider.findChallenges(query, inTime());
    expect(found.map(({ providerChallengeId }) => providerChallengeId)).toEqual([earlier, later]);
    await recorder.close();
  });

  test("reads on where the pages come oldest first", async () => {
    const old = listed({ date_created: "Fri, 16 Jun 2023 17:29:30 +0000" });
    const older = listed({ date_created: "Fri, 16 Jun 2023 17:29:29 +0000" });
    const pages = [
      { messages: [older, old], next_page_uri: "/2010-04-01/x?Page=1&PageToken=t" },
      { messages: [listed(), listed({ direction: "inbound" })], next_page_uri: null },
    ];
    const recorder = await recordingServer(() => pages.shift() ?? {});
    expect(await recorder.provider.findChallenges(query, inTime())).toHaveLength(1);
    await recorder.close();
  });
});

function providerOver(transport: HttpTransport): TwilioSmsProvider {
  return new TwilioSmsProvider({
    transport,
    credentials: () => credentials,
    evidenceKey: () => evidence,
    publicUrl: undefined,
    provideFeedback: false,
  });
}

const now = new Date().toUTCString().replace("GMT", "+0000");

function listed(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    sid: `SM${"a".repeat(32)}`,
    to: message.to,
    body: message.text,
    direction: "outbound-api",
    status: "queued",
    date_created: now,
    ...changes,
  };
}

/** A server that answers lists with what it is told to, and the provider that asks it. */
async function recordingServer(page: (url: string) => object, dated = true) {
  const urls: string[] = [];
  const server = createServer((request, response) => {
    urls.push(request.url ?? "");
    response.sendDate = dated;
    response.end(JSON.stringify(page(request.url ?? "")));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address() as { port: number };
  const own = new HttpTransport({ baseUrl: `http://127.0.0.1:${address.port}/2010-04-01`, connections: 1 });
  return {
    urls,
    provider: providerOver(own),
    close: async () => {
      await own.close();
      server.close();
    },
  };
}
