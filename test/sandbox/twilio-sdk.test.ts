import twilio from "twilio";
import { describe, expect, it } from "vitest";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { accountSid, authToken, sender, startTwilio } from "../support/twilio-sandbox.ts";

const to = "+34600000001";

function clientOf(double: TwilioDouble, username = accountSid, password = authToken) {
  const client = twilio(username, password, { accountSid });
  client.api.baseUrl = new URL(double.url).origin;
  return client;
}

describe("Twilio's own client", () => {
  it("creates, reads, lists page by page, redacts, confirms and removes", async () => {
    await using double = await startTwilio({ apiKeys: new Map([["SK1", "secret"]]) });
    const { messages } = clientOf(double, "SK1", "secret");
    const made = await messages.create({
      to,
      from: sender,
      body: "Clave 123456",
      validityPeriod: 120,
      provideFeedback: true,
    });
    await messages.create({ to, from: sender, body: "two" });
    await messages.create({ to, from: sender, body: "three" });

    expect(made).toMatchObject({ status: "queued", to, body: "Clave 123456", errorCode: null });
    expect(made.dateCreated).toBeInstanceOf(Date);
    const listed = await messages.list({ to, pageSize: 1, limit: 3 });
    expect(listed.map(({ body }) => body)).toEqual(["three", "two", "Clave 123456"]);

    await double.statusReached(made.sid, "delivered");
    expect(await messages(made.sid).fetch()).toMatchObject({ status: "delivered" });
    expect(await messages(made.sid).feedback.create({ outcome: "confirmed" })).toMatchObject({
      outcome: "confirmed",
    });
    expect(await messages(made.sid).update({ body: "" })).toMatchObject({ body: "" });
    expect(await messages(made.sid).remove()).toBe(true);
    await expect(messages(made.sid).fetch()).rejects.toMatchObject({ status: 404, code: 20404 });
  });

  it("reads its errors", async () => {
    await using double = await startTwilio();
    const create = (number: string) =>
      clientOf(double).messages.create({ to: number, from: sender, body: "x" });

    await expect(create("+34600009610")).rejects.toMatchObject({
      status: 400,
      code: 21610,
      moreInfo: "https://www.twilio.com/docs/errors/21610",
    });
    await expect(create("+34600009429")).rejects.toMatchObject({ status: 429, code: 20429 });
    await expect(create("+34600009502")).rejects.toMatchObject({
      status: 502,
      message: "[HTTP 502] Failed to execute request",
    });
    await expect(create("+34600009307")).rejects.toMatchObject({ status: 307 });
    await expect(clientOf(double, accountSid, "wrong").messages.list()).rejects.toMatchObject({
      code: 20003,
    });
    expect(double.counts.accepted).toBe(0);
  });
});
