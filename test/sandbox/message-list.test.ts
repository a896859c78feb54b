import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { ManualTimers } from "../support/manual-timers.ts";
import { responseFaults } from "../support/openapi.ts";
import { accountSid, call, create, startTwilio } from "../support/twilio-sandbox.ts";

const to = "+34600000001";
const other = "+34600000002";

type Listed = { sid: string; body: string };

async function list(double: TwilioDouble, query: Record<string, string>): Promise<Listed[]> {
  const answer = await call(double, `/Messages.json?${new URLSearchParams(query)}`);
  expect(responseFaults("ListMessage", answer.status, answer.json())).toEqual([]);
  return answer.json()["messages"] as Listed[];
}

describe("the list of messages", () => {
  it("shows the newest first and filters by To and From", async () => {
    await using double = await startTwilio();
    await create(double, to, { Body: "one" });
    await create(double, other, { Body: "two" });
    await create(double, to, { Body: "three", From: "+34910000009" });
    const texts = async (query: Record<string, string>) =>
      (await list(double, query)).map(({ body }) => body);

    expect(await texts({})).toEqual(["three", "two", "one"]);
    expect(await texts({ To: to })).toEqual(["three", "one"]);
    expect(await texts({ To: to, From: "+34910000009" })).toEqual(["three"]);
    expect(await texts({ To: "+34600000003" })).toEqual([]);
  });

  it("is read to its end by following next_page_uri, though messages come in meanwhile", async () => {
    await using double = await startTwilio();
    for (const body of ["1", "2", "3", "4", "5"]) await create(double, to, { Body: body });
    const seen: string[] = [];
    const pages: unknown[] = [];
    let next: string | null = `/2010-04-01/Accounts/${accountSid}/Messages.json?To=%2B34600000001&PageSize=2`;
    while (next !== null) {
      const path: string = next.slice(next.indexOf("/Messages"));
      const page = (await call(double, path)).json();
      seen.push(...(page["messages"] as Listed[]).map(({ body }) => body));
      pages.push([page["page"], page["page_size"], page["start"], page["end"]]);
      next = page["next_page_uri"] as string | null;
      if (next !== null)
        expect(next).toMatch(/To=%2B34600000001&PageSize=2&Page=\d&PageToken=PASM[0-9a-f]{32}$/);
      await create(double, to, { Body: "late" });
    }

    expect(seen).toEqual(["5", "4", "3", "2", "1"]);
    expect(pages).toEqual([
      [0, 2, 0, 1],
      [1, 2, 2, 3],
      [2, 2, 4, 4],
    ]);
  });

  it("hides what has no date_sent yet from a filter on DateSent", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    await create(double, to);
    const count = async (query: Record<string, string>) => (await list(double, query)).length;

    expect(await count({ To: to })).toBe(1);
    expect(await count({ To: to, DateSent: "2026-11-22" })).toBe(0);
    expect(await count({ To: to, "DateSent>": "2026-11-22" })).toBe(0);
    time.advance(100);
    expect(await count({ To: to, DateSent: "2026-11-22" })).toBe(1);
    expect(await count({ To: to, DateSent: "2026-11-21" })).toBe(0);
    expect(await count({ To: to, "DateSent>": "2026-11-22" })).toBe(1);
    expect(await count({ To: to, "DateSent>": "2026-11-23" })).toBe(0);
    expect(await count({ To: to, "DateSent<": "2026-11-22" })).toBe(1);
    expect(await count({ To: to, "DateSent<": "2026-11-21" })).toBe(0);
    expect(await count({ To: to, "DateSent>": "2026-11-22T12:00:00Z" })).toBe(1);
    expect(await count({ To: to, "DateSent>": "2026-11-22T12:00:01Z" })).toBe(0);
  });

  it("lags by as much as it is told, while a fetch does not", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({
      timers: time,
      clock: time.now,
      behaviour: { listLagMs: 3_000 },
    });
    const { sid } = (await create(double, to)).json();

    time.advance(2_999);
    expect(await list(double, { To: to })).toEqual([]);
    expect((await call(double, `/Messages/${sid}.json`)).status).toBe(200);
    time.advance(1);
    expect(await list(double, { To: to })).toMatchObject([{ sid }]);
  });

  it.each([
    ["9850", 5_000],
    ["9860", 12_000],
  ])("hides the message of a first call to …%s, which is not answered, for %s ms", async (suffix, lagMs) => {
    const number = `+3460000${suffix}`;
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    const controller = new AbortController();
    const answered = once(double, "answered");
    const unanswered = expect(create(double, number, {}, controller.signal)).rejects.toThrow();
    await answered;
    controller.abort();
    await unanswered;

    time.advance(lagMs - 1);
    expect(await list(double, { To: number })).toEqual([]);
    time.advance(1);
    expect(await list(double, { To: number })).toHaveLength(1);
    const { sid } = (await create(double, number)).json();
    expect(await list(double, { To: number })).toMatchObject([{ sid }, {}]);
  });

  it("shows empty texts where the account redacts", async () => {
    await using double = await startTwilio({ behaviour: { redactsBodies: true } });
    await create(double, to, { ContentRetention: "discard" });
    expect(await list(double, { To: to })).toMatchObject([{ body: "" }]);
  });

  it("meets the faults that are planned for look-ups, one a call", async () => {
    await using double = await startTwilio();
    const { sid } = (await create(double, to)).json();
    double.planLookups(to, [
      { kind: "status", status: 500 },
      { kind: "nothing" },
      { kind: "reset" },
      { kind: "truncated" },
    ]);
    const path = `/Messages.json?${new URLSearchParams({ To: to })}`;

    expect((await call(double, path)).json()).toMatchObject({ code: 20500 });
    expect(await list(double, { To: to })).toEqual([]);
    await expect(call(double, path)).rejects.toThrow();
    await expect(call(double, path)).rejects.toThrow();
    expect(await list(double, { To: to })).toMatchObject([{ sid }]);
    expect(double.counts.lookups).toBe(5);
  });

  it("can hang and be late", async () => {
    const time = new ManualTimers();
    await using double = await startTwilio({ timers: time, clock: time.now });
    double.planLookups("", [{ kind: "hang" }, { kind: "latency", ms: 7_000 }]);
    const asked = () => new Promise<string>((resolve) => double.once("lookup", resolve));

    const controller = new AbortController();
    const first = asked();
    const hanging = call(double, "/Messages.json", { signal: controller.signal });
    await first;
    controller.abort();
    await expect(hanging).rejects.toThrow("aborted");
    const second = asked();
    const late = call(double, "/Messages.json");
    await second;
    time.advance(7_000);
    expect((await late).status).toBe(200);
  });
});
