import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { inboxHandler } from "../../src/sandbox/inbox.ts";
import { magicNumbers } from "../../src/sandbox/magic-numbers.ts";
import { oneTimeCodeIn } from "../../src/sandbox/one-time-code-in-text.ts";
import { segmentsOf } from "../../src/sandbox/sms-segments.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { create, startTwilio } from "../support/twilio-sandbox.ts";

const to = "+34600000001";
const other = "+34600000002";

/** A server with a path of its own, and the inbox mounted beside it. */
async function serve(double: TwilioDouble) {
  const inbox = inboxHandler(double);
  const server = http.createServer((request, response) => {
    if (!inbox(request, response)) response.writeHead(418).end("not the inbox");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    inbox,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.resolve();
    },
  };
}

type Event = {
  name: string;
  data: { messages: Record<string, unknown>[]; calls: Record<string, unknown>[] };
};

/** The events of a Server-Sent Events stream, until it ends. */
async function* eventsOf(response: Response): AsyncGenerator<Event> {
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (name !== undefined && data !== undefined) yield { name, data: JSON.parse(data) };
    }
  }
}

async function until(events: AsyncGenerator<Event>, wanted: (event: Event) => boolean): Promise<Event> {
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) throw new Error("the stream ended");
    if (wanted(value)) return value;
  }
}

describe("the inbox", () => {
  it("leaves every other path of the server alone", async () => {
    await using double = await startTwilio();
    await using served = await serve(double);
    for (const path of ["/", "/twilio/status", "/inboxes", "/x/inbox"]) {
      expect((await fetch(served.url + path)).status).toBe(418);
    }
    expect((await fetch(`${served.url}/inbox/nothing`)).status).toBe(404);
    expect((await fetch(`${served.url}/inbox`, { method: "POST" })).status).toBe(405);
  });

  it("serves a page that says SANDBOX, explains every magic number and may load nothing from elsewhere", async () => {
    await using double = await startTwilio();
    await using served = await serve(double);
    const response = await fetch(`${served.url}/inbox?to=%2B34600000001`);
    const page = await response.text();

    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page).toContain("<strong>SANDBOX</strong>");
    for (const { suffix, meaning } of magicNumbers) {
      expect(page).toContain(`…${suffix}`);
      expect(page).toContain(meaning);
    }
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    expect(policy).not.toContain("unsafe");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, link]) => link ?? "");
    expect(links.filter((link) => !link.startsWith("/inbox") && link !== "data:,")).toEqual([]);
    for (const link of ["/inbox/style.css", "/inbox/script.js"]) {
      expect(links).toContain(link);
      expect((await fetch(served.url + link)).status).toBe(200);
    }
  });

  it("gives scripts the messages, newest first, with their codes and as they are now", async () => {
    await using double = await startTwilio();
    await using served = await serve(double);
    const body = "Código 123456\npara <b>Ana</b> & cía";
    const sid = String((await create(double, to, { Body: "first 000111" })).json()["sid"]);
    await create(double, to, { Body: body, ValidityPeriod: "60" });
    await create(double, other);
    await double.statusReached(sid, "delivered");
    const response = await fetch(`${served.url}/inbox/messages.json?to=${encodeURIComponent(to)}`);
    const { sandbox, messages, calls } = JSON.parse(await response.text());

    expect(sandbox).toBe(true);
    expect(messages).toMatchObject([
      { to, body, code: "123456", encoding: "UCS-2", segments: 1, characters: 35 },
      { sid, code: "000111", encoding: "GSM-7", segments: 1, status: "delivered", receipts: [] },
    ]);
    expect(Date.parse(messages[0].valid_until) - Date.parse(messages[0].created_at)).toBe(60_000);
    expect(calls).toMatchObject([
      { to, number: 2, answer: "201", accepted: true },
      { to, number: 1, answer: "201", accepted: true },
    ]);
  });

  it("streams what there is, then each message and its statuses as they come", async () => {
    await using double = await startTwilio();
    await using served = await serve(double);
    await create(double, to, { Body: "before 111111" });
    const response = await fetch(`${served.url}/inbox/events`);
    const events = eventsOf(response);

    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const first = await until(events, () => true);
    expect(first).toMatchObject({
      name: "snapshot",
      data: { messages: [{ code: "111111" }], calls: [{ number: 1 }] },
    });
    const sid = (await create(double, other, { Body: "after\n222222" })).json()["sid"];
    const has = (status: string) => (event: Event) =>
      event.name === "changes" &&
      event.data.messages.some((seen) => seen["sid"] === sid && seen["status"] === status);
    const arrived = await until(events, has("queued"));
    expect(arrived.data.messages.find((seen) => seen["sid"] === sid)).toMatchObject({
      body: "after\n222222",
    });
    await until(events, has("delivered"));
    const refused = create(double, "+34600009610");
    await until(events, ({ data }) => data.calls.some((call) => call["code"] === 21610));
    await refused;
  });

  it("streams one number where it is asked to", async () => {
    await using double = await startTwilio({ behaviour: { queueMs: 1, deliverMs: 1 } });
    await using served = await serve(double);
    const events = eventsOf(await fetch(`${served.url}/inbox/events?to=${encodeURIComponent(to)}`));
    await until(events, ({ name }) => name === "snapshot");
    await create(double, other);
    await create(double, to);
    const { data } = await until(events, (event) => event.data.messages.length > 0);

    expect(new Set(data.messages.map((seen) => seen["to"]))).toEqual(new Set([to]));
  });

  it("ends its streams with the double, or when it is told to", async () => {
    await using double = await startTwilio();
    await using served = await serve(double);
    const one = await fetch(`${served.url}/inbox/events`);
    served.inbox.close();
    await expect(one.text()).resolves.toContain("event: snapshot");
    await using another = await serve(double);
    const two = await fetch(`${another.url}/inbox/events`);
    await double.close();
    await expect(two.text()).resolves.toContain("event: snapshot");
  });
});

describe("the code in a text", () => {
  it.each([
    ["Banco: 123456 es su clave", "123456"],
    ["Pago de 150000 EUR a ACME. Código 654321, caduca en 5 min", "654321"],
    ["Pay 123456.00 EUR to ACME 123456789. Code: 000042", "000042"],
    ["Code 111111 for 222222 EUR\n\n@bank.example #111111", "111111"],
    ["no code, only 1234567 and 12345", null],
  ])("of %j is %s", (text, code) => {
    expect(oneTimeCodeIn(text)).toBe(code);
  });
});

describe("segments", () => {
  it.each<[string, string, string, number]>([
    ["160 septets", "a".repeat(160), "GSM-7", 1],
    ["161 septets", "a".repeat(161), "GSM-7", 2],
    ["306 septets", "a".repeat(306), "GSM-7", 2],
    ["307 septets", "a".repeat(307), "GSM-7", 3],
    ["80 euro signs, two septets each", "€".repeat(80), "GSM-7", 1],
    ["81 euro signs", "€".repeat(81), "GSM-7", 2],
    ["the Spanish letters GSM has", "ñéÉàÑ¿¡", "GSM-7", 1],
    ["70 units with an á, which it has not", `á${"a".repeat(69)}`, "UCS-2", 1],
    ["71 units with an á", `á${"a".repeat(70)}`, "UCS-2", 2],
    ["36 faces, two units each", "😀".repeat(36), "UCS-2", 2],
  ])("of %s are counted as networks do", (_name, text, encoding, segments) => {
    expect(segmentsOf(text)).toMatchObject({ encoding, segments });
  });
});
