import { validateRequest } from "twilio/lib/webhooks/webhooks.js";
import { describe, expect, it } from "vitest";
import { webhookSignature } from "../../src/sandbox/webhook-signature.ts";
import { CallbackReceiver, type ReceivedCallback } from "../support/callback-receiver.ts";
import { ManualTimers } from "../support/manual-timers.ts";
import { accountSid, authToken, create, sender, startTwilio } from "../support/twilio-sandbox.ts";

const to = "+34600000001";
const quick = { queueMs: 1, deliverMs: 1 };

function isSigned({ headers, url, params }: ReceivedCallback, token = authToken): boolean {
  return validateRequest(token, String(headers["x-twilio-signature"]), url, params);
}

describe("status callbacks", () => {
  it("tell sent and delivered, but not queued, in Twilio's form and signed over the whole URL", async () => {
    await using receiver = await CallbackReceiver.start();
    await using double = await startTwilio({ behaviour: quick });
    const { sid } = (
      await create(double, to, { StatusCallback: `${receiver.url}?challenge=a%20b&attempt=1#rc=2` })
    ).json();
    const [sent, last] = await receiver.until(2);

    expect(sent!.params).toEqual({
      SmsSid: sid,
      SmsStatus: "sent",
      MessageStatus: "sent",
      To: to,
      MessageSid: sid,
      AccountSid: accountSid,
      From: sender,
      ApiVersion: "2010-04-01",
    });
    expect(last!.params).toEqual({
      ...sent!.params,
      SmsStatus: "delivered",
      MessageStatus: "delivered",
      RawDlrDoneDate: expect.stringMatching(/^\d{10}$/),
    });
    expect(last).toMatchObject({
      method: "POST",
      url: `${receiver.url}?challenge=a%20b&attempt=1`,
      headers: {
        "user-agent": "TwilioProxy/1.1",
        accept: "*/*",
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
        "x-home-region": "us1",
        connection: "close",
      },
    });
    expect(last!.headers["i-twilio-idempotency-token"]).toMatch(
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    );
    expect(receiver.received.every((callback) => isSigned(callback))).toBe(true);
    expect(isSigned(last!, "another-token")).toBe(false);
    expect(isSigned({ ...last!, params: { ...last!.params, MessageStatus: "failed" } })).toBe(false);
    expect(isSigned({ ...last!, url: receiver.url })).toBe(false);
  });

  it("carry the error code, and the Messaging Service", async () => {
    await using receiver = await CallbackReceiver.start();
    await using double = await startTwilio({ behaviour: quick });
    const service = `MG${"a".repeat(32)}`;
    await create(double, "+34600009003", {
      From: "",
      MessagingServiceSid: service,
      StatusCallback: receiver.url,
    });
    await receiver.until(3);

    expect(receiver.statuses()).toEqual(["queued", "sent", "undelivered"]);
    expect(receiver.received[2]!.params).toMatchObject({ ErrorCode: "30003", MessagingServiceSid: service });
    expect(receiver.received[1]!.params).not.toHaveProperty("ErrorCode");
  });

  it("are signed with the first auth token, as it is at the time", async () => {
    await using receiver = await CallbackReceiver.start();
    let tokens = [authToken];
    await using double = await startTwilio({
      authTokens: () => tokens,
      behaviour: { queueMs: 1, deliverMs: 50 },
    });
    await create(double, to, { StatusCallback: receiver.url });
    await receiver.until(1);
    tokens = ["promoted", authToken];
    const [before, after] = await receiver.until(2);

    expect(isSigned(before!)).toBe(true);
    expect(isSigned(after!, "promoted")).toBe(true);
  });

  it.each([
    ["9820", ["sent", "sent", "delivered", "delivered"]],
    ["9830", ["delivered", "sent"]],
    ["9841", ["sent"]],
  ])("to …%s come as its number says", async (suffix, statuses) => {
    await using receiver = await CallbackReceiver.start();
    await using double = await startTwilio({ behaviour: quick });
    const { sid } = (await create(double, `+3460000${suffix}`, { StatusCallback: receiver.url })).json();
    await double.callbacksMade(String(sid), statuses.length);

    expect(receiver.statuses()).toEqual(statuses);
    expect(double.counts.callbacks).toBe(statuses.length);
  });

  it("come 10 s late for …9810 and for …9840 never", async () => {
    const time = new ManualTimers();
    await using receiver = await CallbackReceiver.start();
    await using double = await startTwilio({ timers: time, clock: time.now });
    const form = { StatusCallback: receiver.url };
    await create(double, "+34600009840", form);
    const late = String((await create(double, "+34600009810", form)).json()["sid"]);
    time.advance(10_099);
    expect(double.messages).toMatchObject([{ status: "delivered" }, { status: "delivered" }]);
    expect(double.counts.callbacks).toBe(0);
    time.advance(1);
    await double.callbacksMade(late, 1, "sent");
    time.advance(60_000);
    await double.callbacksMade(late, 1, "delivered");

    expect(receiver.received.map(({ params }) => params["MessageSid"])).toEqual([late, late]);
  });

  it("are held back, or not made at all, where the behaviour says so", async () => {
    await using receiver = await CallbackReceiver.start();
    await using double = await startTwilio({ behaviour: { ...quick, receipts: "none" } });
    const silent = String((await create(double, to, { StatusCallback: receiver.url })).json()["sid"]);
    await double.statusReached(silent, "delivered");
    Object.assign(double.behaviour, { receipts: "in_order", receiptDelayMs: 30 });
    const late = String((await create(double, to, { StatusCallback: receiver.url })).json()["sid"]);
    const message = await double.statusReached(late, "delivered");
    expect(message.callbacks).toEqual([]);
    await double.callbacksMade(late, 1, "delivered");

    expect(receiver.received.map(({ params }) => params["MessageSid"])).toEqual([late, late]);
  });

  it("are not repeated for a refusal, unless the URL's fragment asks for it", async () => {
    await using receiver = await CallbackReceiver.start();
    await using double = await startTwilio({ behaviour: { ...quick, deliverMs: 1_000_000 } });
    receiver.answers.push(503);
    const once = String((await create(double, to, { StatusCallback: receiver.url })).json()["sid"]);
    expect(await double.callbacksMade(once, 1)).toMatchObject([{ status: "sent", outcome: 503 }]);
    expect(receiver.received).toHaveLength(1);

    receiver.answers.push(503, 500);
    const again = String(
      (await create(double, to, { StatusCallback: `${receiver.url}#rc=3&rp=5xx` })).json()["sid"],
    );
    expect(await double.callbacksMade(again, 1)).toMatchObject([{ outcome: 204 }]);
    expect(receiver.received).toHaveLength(4);
    const tokens = receiver.received.map(({ headers }) => headers["i-twilio-idempotency-token"]);
    expect(new Set(tokens.slice(1)).size).toBe(1);
  });

  it("that reach nobody are given up after one more try", async () => {
    await using double = await startTwilio({ behaviour: { ...quick, deliverMs: 1_000_000 } });
    const closed = await CallbackReceiver.start();
    await closed[Symbol.asyncDispose]();
    const sid = String((await create(double, to, { StatusCallback: closed.url })).json()["sid"]);
    expect(await double.callbacksMade(sid, 1)).toMatchObject([{ status: "sent", outcome: "failed" }]);
  });
});

describe("the webhook signature", () => {
  it("is the one that Twilio's own tests state", () => {
    const params = new Map([
      ["CallSid", "CA1234567890ABCDE"],
      ["To", "+18005551212"],
      ["From", "+14158675309"],
      ["Digits", "1234"],
      ["Caller", "+14158675309"],
    ]);
    const url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    expect(webhookSignature("12345", url, params)).toBe("RSOYDt4T1cUTdK1PDd93/VVr8B8=");
  });
});
