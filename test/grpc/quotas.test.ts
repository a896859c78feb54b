import { describe, expect, it } from "vitest";
import type { Failure } from "../../src/domain/failure.ts";
import type { Caller } from "../../src/grpc/call.ts";
import { localCaller } from "../../src/grpc/callers-file.ts";
import { defaultQuotas } from "../../src/grpc/limits.ts";
import { type HeldKind, type QuotaRules, type QuotaScope, Quotas } from "../../src/grpc/quotas.ts";

const caller = (name: string, quota?: Caller["quota"]): Caller => ({
  name,
  methods: new Set(["*"]),
  perSecond: undefined,
  ...(quota && { quota }),
});
const payments = caller("payments");
const cards = caller("cards");

const rules: QuotaRules = {
  all: { connections: 10, calls: 20, streams: 12 },
  caller: { connections: 4, calls: 10, streams: 6 },
  unknown: { connections: 2, calls: 3, streams: 1 },
  connectionCalls: 8,
};

function quotas(change: Partial<QuotaRules> = {}) {
  const refused: [HeldKind, QuotaScope][] = [];
  const pressed: boolean[] = [];
  const all = new Quotas(
    { ...rules, ...change },
    { refused: (kind, scope) => refused.push([kind, scope]), pressed: (is) => pressed.push(is) },
  );
  const refusal = (who: Caller | undefined, isStream: boolean, connection: object = {}) => {
    try {
      all.begin(who, connection, isStream);
      return undefined;
    } catch (error) {
      const { reason, message, metadata, retryAfterMs } = error as Failure;
      return { reason, message, metadata, retryAfterMs };
    }
  };
  const begin = (count: number, who: Caller | undefined, isStream: boolean) =>
    Array.from({ length: count }, () => all.begin(who, {}, isStream));
  return { all, refused, pressed, refusal, begin };
}

describe("Quotas", () => {
  it("let a caller hold its quota of streams, have its unary calls beside them, and leave others theirs", () => {
    const { begin, refusal, refused } = quotas();
    begin(6, payments, true);
    expect(refusal(payments, true)).toEqual({
      reason: "RATE_LIMITED",
      message: "the caller has too many streams",
      metadata: { limit: "caller" },
      retryAfterMs: 1000,
    });
    begin(4, payments, false);
    expect(refusal(payments, false)?.message).toBe("the caller has too many calls at once");
    begin(6, cards, true);
    expect(refused).toEqual([
      ["streams", "caller"],
      ["calls", "caller"],
    ]);
  });

  it("let a caller hold what CALLERS_FILE gives it", () => {
    const { begin, refusal } = quotas();
    const big = caller("big", { streams: 8 });
    begin(8, big, true);
    expect(refusal(big, true)?.message).toBe("the caller has too many streams");
  });

  it("count all peers together that are no callers", () => {
    const { begin, refusal } = quotas();
    begin(1, undefined, true);
    expect(refusal(undefined, true)).toMatchObject({
      reason: "RATE_LIMITED",
      message: "unknown peers have too many streams",
    });
    begin(2, undefined, false);
    expect(refusal(undefined, false)?.message).toBe("unknown peers have too many calls at once");
  });

  it("never let the streams of all take the room of unary calls", () => {
    const { begin, refusal } = quotas();
    begin(6, payments, true);
    begin(6, cards, true);
    expect(refusal(caller("other"), true)).toMatchObject({
      reason: "SERVICE_UNAVAILABLE",
      message: "the server has too many streams",
      retryAfterMs: 1000,
    });
    begin(1, caller("other"), false);
  });

  it("give the last of the calls to callers that have few", () => {
    const { begin, refusal } = quotas();
    begin(10, payments, false);
    begin(6, cards, false);
    expect(refusal(cards, false)?.message).toBe("the server has too many calls at once");
    begin(2, caller("other"), false);
    expect(refusal(caller("other"), false)?.message).toBe("the server has too many calls at once");
    begin(2, caller("another"), false);
    expect(refusal(caller("last"), false)?.message).toBe("the server has too many calls at once");
  });

  it("refuse a connection's calls before Node ends it for them", () => {
    const { all, refusal } = quotas();
    const connection = {};
    const held = Array.from({ length: 8 }, () => all.begin(payments, connection, false));
    expect(refusal(payments, false, connection)?.message).toBe("the connection has too many calls at once");
    held[0]?.();
    expect(refusal(payments, false, connection)).toBeUndefined();
    expect(defaultQuotas.connectionCalls).toBeLessThan(1000);
  });

  it("tell each call on a connection too many that it is one", () => {
    const { all, refusal } = quotas();
    for (const connection of [{}, {}]) expect(all.connect(undefined, connection)).toBeDefined();
    const third = {};
    expect(all.connect(undefined, third)).toBeUndefined();
    expect(refusal(undefined, false, third)?.message).toBe("unknown peers have too many connections");
    expect(all.connect(payments, {})).toBeDefined();
  });

  it("limit `local`, the only caller without TLS, by what all may have", () => {
    const { begin, refusal } = quotas();
    begin(12, localCaller, true);
    expect(refusal(localCaller, true)?.reason).toBe("SERVICE_UNAVAILABLE");
    begin(8, localCaller, false);
    expect(refusal(localCaller, false)?.reason).toBe("SERVICE_UNAVAILABLE");
  });

  it("have everything back once it is released, each holding once", () => {
    const { all, begin, refusal } = quotas();
    const held = [...begin(6, payments, true), all.connect(payments, {})];
    for (const release of [...held, ...held]) release?.();
    expect(all.held).toEqual({ connections: 0, calls: 0, streams: 0 });
    begin(6, payments, true);
    expect(refusal(payments, true)).toBeDefined();
  });

  it("tell once that the room is nearly used up, and once that there is room again", () => {
    const { begin, pressed } = quotas();
    const held = [...begin(6, payments, true), ...begin(6, cards, true)];
    expect(pressed).toEqual([true]);
    held.pop()?.();
    expect(pressed).toEqual([true]);
    for (const release of held) release();
    expect(pressed).toEqual([true, false]);
  });
});
