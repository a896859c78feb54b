import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { ManualTimers } from "../support/manual-timers.ts";
import { create, startTwilio } from "../support/twilio-sandbox.ts";

const to = "+34600000001";
const other = "+34600000002";

describe("a plan", () => {
  it("is met step by step by the calls to its number, and then no more", async () => {
    await using double = await startTwilio();
    const planned = double.plan(to, [
      { kind: "status", status: 503, headers: { "Retry-After": "2" } },
      { kind: "refuse", code: 21610 },
    ]);
    const first = await create(double, to);
    expect(first.status).toBe(503);
    expect(first.headers.get("retry-after")).toBe("2");
    expect((await create(double, other)).status).toBe(201);
    expect(planned.remaining).toBe(1);
    expect((await create(double, to)).json()).toMatchObject({ code: 21610 });
    expect(planned.remaining).toBe(0);
    expect((await create(double, to)).status).toBe(201);
  });

  it("wins over the number, may match many numbers, repeat its last step and be cancelled", async () => {
    await using double = await startTwilio();
    const spanish = (number: string) => number.startsWith("+34");
    const planned = double.plan(
      spanish,
      [{ kind: "accept" }, { kind: "status", status: 500, accept: true }],
      {
        repeatLast: true,
      },
    );
    const statuses: number[] = [];
    for (const number of ["+34600009429", to, other, to])
      statuses.push((await create(double, number)).status);
    expect(statuses).toEqual([201, 500, 500, 500]);
    expect(double.counts.accepted).toBe(4);

    planned.cancel();
    expect((await create(double, to)).status).toBe(201);
    double.plan(spanish, [{ kind: "status", status: 500 }], { repeatLast: true });
    double.clearPlans();
    expect((await create(double, to)).status).toBe(201);
  });

  it("leaves invalid requests to Twilio's own checks", async () => {
    await using double = await startTwilio();
    const planned = double.plan(to, [{ kind: "status", status: 500 }]);
    expect((await create(double, to, { Body: "" })).json()).toMatchObject({ code: 21602 });
    expect(planned.remaining).toBe(1);
  });

  it("can answer with a proxy's page or with nothing", async () => {
    await using double = await startTwilio();
    double.plan(to, [
      { kind: "status", status: 502, body: "html" },
      { kind: "status", status: 504, body: "empty" },
    ]);
    const page = await create(double, to);
    expect(page.headers.get("content-type")).toBe("text/html");
    expect(page.text).toContain("502 Bad Gateway");
    expect((await create(double, to)).text).toBe("");
  });

  it("with latency accepts at the end of it, though the caller has gone", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    double.plan(to, [{ kind: "latency", ms: 7_000 }]);
    const called = once(double, "call");
    const controller = new AbortController();
    const gone = expect(create(double, to, {}, controller.signal)).rejects.toThrow();
    await called;
    time.advance(6_999);
    controller.abort();
    await gone;
    expect(double.messages).toEqual([]);
    time.advance(1);
    expect(double.messages).toMatchObject([{ to }]);
    expect((await create(double, to)).status).toBe(201);
  });

  it("with a late answer accepts at once", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    double.plan(to, [{ kind: "late_answer", ms: 4_000 }]);
    const accepted = double.nextMessage();
    const answer = create(double, to);
    await accepted;
    expect(double.calls).toMatchObject([{ answer: null }]);
    time.advance(4_000);
    expect((await answer).status).toBe(201);
  });

  it("may give a message another delivery", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    double.plan(to, [
      {
        kind: "accept",
        delivery: { queueMs: 10_000, deliverMs: 0, outcome: "undelivered", errorCode: 30008 },
      },
    ]);
    await create(double, to);
    time.advance(9_999);
    expect(double.messages).toMatchObject([{ status: "queued" }]);
    time.advance(1);
    expect(double.messages).toMatchObject([{ status: "undelivered", errorCode: 30008 }]);
  });

  it("fails a message with 30036 that waits in the queue beyond its validity", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now, behaviour: { queueMs: 31_000 } });
    await create(double, to, { ValidityPeriod: "30" });
    await create(double, to, { ValidityPeriod: "31" });
    time.advance(60_000);
    expect(double.messages).toMatchObject([
      { status: "failed", errorCode: 30036 },
      { status: "delivered", errorCode: null },
    ]);
  });

  it("is followed past a redirect only by callers that follow one", async () => {
    await using double = await startTwilio();
    const answer = await create(double, "+34600009307");
    const location = answer.headers.get("location") ?? "";
    expect(location).toMatch(/^\/2010-04-01\/Accounts\/AC[0-9a-f]{32}\/Messages\.json\?Redirected=true$/);
    expect(double.counts.accepted).toBe(0);
  });

  it("comes after the latency that all answers have", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now, behaviour: { latencyMs: 250 } });
    const called = once(double, "call");
    const answer = create(double, to);
    await called;
    time.advance(249);
    expect(double.messages).toEqual([]);
    time.advance(1);
    expect((await answer).status).toBe(201);
  });
});
