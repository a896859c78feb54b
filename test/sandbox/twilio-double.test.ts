import { describe, expect, it } from "vitest";
import { ManualTimers } from "../support/manual-timers.ts";
import { requestFaults, responseFaults } from "../support/openapi.ts";
import {
  accountSid,
  authToken,
  basic,
  call,
  create,
  sender,
  startTwilio,
} from "../support/twilio-sandbox.ts";

const to = "+34600000001";
const service = `MG${"a".repeat(32)}`;
const createPath = `/2010-04-01/Accounts/${accountSid}/Messages.json`;

describe("create", () => {
  it("answers 201 with the Message resource of Twilio's OpenAPI document", async () => {
    await using double = await startTwilio();
    const answer = await create(double, to, {
      ValidityPeriod: "300",
      StatusCallback: "http://127.0.0.1:9/x",
    });
    const [made] = double.calls;

    expect(requestFaults("CreateMessage", { method: "POST", path: createPath, form: made!.params })).toEqual(
      [],
    );
    expect(answer.status).toBe(201);
    expect(responseFaults("CreateMessage", 201, answer.json())).toEqual([]);
    expect(Object.keys(answer.json()).join()).toBe(
      "body,num_segments,direction,from,date_updated,price,error_message,uri,account_sid,num_media,to,date_created,status,sid,date_sent,messaging_service_sid,error_code,price_unit,api_version,subresource_uris",
    );
    expect(answer.json()).toMatchObject({
      body: "Your code is 123456",
      from: sender,
      status: "queued",
      num_segments: "1",
      date_sent: null,
    });
    expect(double.messages).toMatchObject([{ sid: answer.json()["sid"], to, validityPeriod: 300 }]);
  });

  it("carries Twilio's headers, with Date by its own clock", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    const { headers } = await create(double, to);

    expect(headers.get("twilio-request-id")).toMatch(/^RQ[0-9a-f]{32}$/);
    expect(headers.get("twilio-request-duration")).toMatch(/^\d+\.\d{3}$/);
    expect(headers.get("twilio-concurrent-requests")).toBe("1");
    expect(headers.get("date")).toBe("Sun, 22 Nov 2026 12:00:00 GMT");
    expect(headers.get("content-type")).toBe("application/json");
  });

  it("leaves the sender open and says accepted where a Messaging Service is to choose", async () => {
    await using double = await startTwilio();
    const answer = await create(double, to, { From: "", MessagingServiceSid: service });

    expect(responseFaults("CreateMessage", 201, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({
      status: "accepted",
      from: null,
      num_segments: "0",
      messaging_service_sid: service,
    });
  });

  it.each<[string, Record<string, string>, number]>([
    ["no To, whatever else is wrong", { To: "", From: "", Body: "" }, 21604],
    ["a To that is no number", { To: "600000001", From: "" }, 21211],
    ["no sender, before the text is looked at", { From: "", Body: "" }, 21603],
    ["a sender that is no number", { From: "+34-910" }, 21212],
    ["a sender of somebody else", { From: "+34910999999" }, 21660],
    ["an unknown Messaging Service", { MessagingServiceSid: `MG${"b".repeat(32)}` }, 21701],
    ["no text", { Body: "" }, 21602],
    ["a text of 1601 characters", { Body: "x".repeat(1601) }, 21617],
    ["a validity period of 0", { ValidityPeriod: "0" }, 21624],
    ["a validity period of 36001", { ValidityPeriod: "36001" }, 21624],
    ["a fraction of a validity period", { ValidityPeriod: "1.5" }, 21624],
    ["a callback to a host with an underscore", { StatusCallback: "https://my_host.bank/x" }, 21609],
    ["content retention without the feature", { ContentRetention: "discard" }, 30029],
    ["Twilio's own test number for an opted-out recipient", { To: "+15005550004" }, 21610],
    ["Twilio's own test sender with a full queue", { From: "+15005550008" }, 21611],
  ])("refuses %s", async (_name, form, code) => {
    await using double = await startTwilio({ senders: [sender], messagingServices: [service] });
    const answer = await create(double, to, form);

    expect(answer.status).toBe(400);
    expect(answer.json()).toEqual({
      code,
      message: expect.any(String),
      more_info: `https://www.twilio.com/docs/errors/${code}`,
      status: 400,
    });
    expect(answer.text).not.toContain(to);
    expect(double.messages).toEqual([]);
    expect(double.calls).toMatchObject([{ sid: null, answer: { status: 400, code } }]);
  });

  it("takes texts of 1600 characters and validity periods of 1 and 36000", async () => {
    await using double = await startTwilio();
    expect((await create(double, to, { Body: "é".repeat(1600), ValidityPeriod: "1" })).status).toBe(201);
    expect((await create(double, to, { ValidityPeriod: "36000" })).status).toBe(201);
  });

  it("answers 429 beyond the requests it may handle at once, and counts them", async () => {
    await using double = await startTwilio({ behaviour: { maxConcurrentRequests: 1 } });
    const hanging = new AbortController();
    double.plan(to, [{ kind: "hang_before_accept" }]);
    const settled = new Promise((resolve) => double.once("answered", resolve));
    const first = create(double, to, {}, hanging.signal);
    await settled;
    const second = await create(double, to);

    expect(second.status).toBe(429);
    expect(second.headers.get("twilio-concurrent-requests")).toBe("2");
    hanging.abort();
    await expect(first).rejects.toThrow();
  });
});

describe("credentials", () => {
  const form = { To: to, From: sender, Body: "x" };

  it.each([
    ["a wrong token", basic(accountSid, "wrong"), "Authenticate"],
    ["another account", basic(`AC${"f".repeat(32)}`, authToken), "Authentication Error - invalid username"],
    ["a wrong key secret", basic("SK1", "wrong"), "Authenticate"],
    ["a space before the SID", basic(` ${accountSid}`, authToken), "Authentication Error - invalid username"],
  ])("are refused with 401 and 20003 for %s", async (_name, authorization, message) => {
    await using double = await startTwilio({ apiKeys: new Map([["SK1", "secret"]]) });
    const answer = await call(double, "/Messages.json", { method: "POST", form, authorization });

    expect(answer.status).toBe(401);
    expect(answer.json()).toMatchObject({ code: 20003, message, status: 401 });
    expect(double.counts).toMatchObject({ creates: 0, unauthorized: 1 });
  });

  it("are accepted as an API key, and as any auth token in force at the time", async () => {
    let tokens = ["first"];
    await using double = await startTwilio({
      authTokens: () => tokens,
      apiKeys: new Map([["SK1", "secret"]]),
    });
    const status = async (username: string, password: string) =>
      (
        await call(double, "/Messages.json", {
          method: "POST",
          form,
          authorization: basic(username, password),
        })
      ).status;

    expect(await status("SK1", "secret")).toBe(201);
    expect(await status(accountSid, "first")).toBe(201);
    tokens = ["second", "first"];
    expect(await status(accountSid, "first")).toBe(201);
    expect(await status(accountSid, "second")).toBe(201);
    tokens = ["second"];
    expect(await status(accountSid, "first")).toBe(401);
    expect(await status(accountSid, "second")).toBe(201);
  });
});

describe("one message", () => {
  it("can be fetched, and is found nowhere under another SID or path", async () => {
    await using double = await startTwilio();
    const { sid } = (await create(double, to)).json();
    const fetched = await call(double, `/Messages/${sid}.json`);

    expect(responseFaults("FetchMessage", fetched.status, fetched.json())).toEqual([]);
    expect(fetched.json()).toMatchObject({ sid });
    for (const path of [`/Messages/SM${"0".repeat(32)}.json`, "/Elsewhere.json"]) {
      const missing = await call(double, path);
      expect(missing.status).toBe(404);
      expect(missing.json()).toMatchObject({ code: 20404, status: 404 });
    }
    expect((await call(double, "/Messages.json", { method: "DELETE" })).status).toBe(405);
  });

  it("is redacted and deleted only once it is final; the phone keeps its text", async () => {
    await using double = await startTwilio();
    const sid = String((await create(double, to)).json()["sid"]);
    const path = `/Messages/${sid}.json`;
    const redact = () => call(double, path, { method: "POST", form: { Body: "" } });

    expect((await redact()).json()).toMatchObject({ code: 20009, status: 400 });
    expect((await call(double, path, { method: "DELETE" })).json()).toMatchObject({ code: 20009 });
    await double.statusReached(sid, "delivered");
    const redacted = await redact();
    expect(responseFaults("UpdateMessage", redacted.status, redacted.json())).toEqual([]);
    expect(redacted.json()).toMatchObject({ body: "", status: "delivered" });
    expect(double.messages).toMatchObject([{ body: "Your code is 123456", redacted: true }]);

    expect((await call(double, path, { method: "DELETE" })).status).toBe(204);
    expect((await call(double, path)).status).toBe(404);
    expect((await call(double, "/Messages.json")).json()["messages"]).toEqual([]);
    expect(double.messages).toMatchObject([{ sid, deleted: true }]);
  });

  it("takes no new text, and no two changes at once", async () => {
    await using double = await startTwilio();
    const { sid } = (await create(double, to)).json();
    for (const form of [{ Body: "other" }, { Body: "", Status: "canceled" }, { Status: "sent" }]) {
      const answer = await call(double, `/Messages/${sid}.json`, { method: "POST", form });
      expect(answer.json()).toMatchObject({ code: 30400, status: 400 });
    }
  });

  it("is cancelled while it is scheduled, and not otherwise", async () => {
    await using double = await startTwilio();
    const scheduled = await create(double, to, {
      MessagingServiceSid: service,
      ScheduleType: "fixed",
      SendAt: "2026-11-23T12:00:00Z",
    });
    const queued = await create(double, to);
    const cancel = async (sid: unknown) =>
      (await call(double, `/Messages/${sid}.json`, { method: "POST", form: { Status: "canceled" } })).json();

    expect(scheduled.json()).toMatchObject({ status: "scheduled" });
    expect(await cancel(scheduled.json()["sid"])).toMatchObject({ status: "canceled" });
    expect(await cancel(queued.json()["sid"])).toMatchObject({ code: 30409, status: 400 });
  });

  it("takes feedback where it was asked for at creation", async () => {
    await using double = await startTwilio();
    const asked = (await create(double, to, { ProvideFeedback: "true" })).json();
    const unasked = (await create(double, to)).json();
    const confirm = (sid: unknown) =>
      call(double, `/Messages/${sid}/Feedback.json`, { method: "POST", form: { Outcome: "confirmed" } });
    const answer = await confirm(asked["sid"]);

    expect(responseFaults("CreateMessageFeedback", answer.status, answer.json())).toEqual([]);
    expect(answer.json()).toMatchObject({ outcome: "confirmed", message_sid: asked["sid"] });
    expect(double.messages[0]).toMatchObject({ feedback: "confirmed" });
    expect((await confirm(unasked["sid"])).status).toBe(400);
  });
});

describe("the double", () => {
  it("forgets the oldest beyond what it keeps, and still counts exactly", async () => {
    await using double = await startTwilio({ keep: 3 });
    const sids: unknown[] = [];
    for (let index = 0; index < 8; index += 1) sids.push((await create(double, to)).json()["sid"]);

    expect(double.messages.map(({ sid }) => sid)).toEqual(sids.slice(5));
    expect(double.messagesTo(to)).toHaveLength(3);
    expect(double.calls.map(({ number }) => number)).toEqual([6, 7, 8]);
    expect(double.counts).toMatchObject({ creates: 8, accepted: 8 });
    expect((await call(double, `/Messages/${sids[0]}.json`)).status).toBe(404);
  });

  it("is unreachable while it is down and is itself again afterwards", async () => {
    await using double = await startTwilio();
    await create(double, to);
    await double.goDown();
    await expect(create(double, to)).rejects.toThrow();
    await double.comeBack();
    expect((await create(double, to)).status).toBe(201);
    expect(double.counts.accepted).toBe(2);
  });

  it("ends waits, connections and timers when it is closed", async () => {
    const time = new ManualTimers();
    const double = await startTwilio({ timers: time, clock: time.now });
    double.plan(to, [{ kind: "hang_after_accept" }]);
    const accepted = double.nextMessage(to);
    const hanging = expect(create(double, to)).rejects.toThrow();
    const { sid } = await accepted;
    const waiting = expect(double.statusReached(sid, "delivered")).rejects.toThrow("was closed");
    expect(time.pending).toBe(1);
    await double.close();

    await waiting;
    await hanging;
    expect(time.pending).toBe(0);
  });

  it("lets a wait be given up by a signal", async () => {
    await using double = await startTwilio();
    const controller = new AbortController();
    const waiting = expect(double.messageTo(to, 0, controller.signal)).rejects.toThrow("enough");
    controller.abort(new Error("enough"));
    await waiting;
  });
});
