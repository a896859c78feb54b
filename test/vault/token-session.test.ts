import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { policyDenial } from "../../src/sandbox/vault-answer.ts";
import { ManualTimers } from "../support/manual-timers.ts";
import { keysUrlPath, twilioUrlPath, VaultUnderTest } from "./vault-under-test.ts";

const hour = 3_600_000;
const loginPath = "auth/approle/login";
const renewPath = "auth/token/renew-self";

describe("TokenSession", () => {
  let vault: VaultUnderTest;
  let stop: AbortController;

  beforeEach(async () => {
    vault = await VaultUnderTest.start();
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort();
    await vault[Symbol.asyncDispose]();
  });

  const made = (path: string) => vault.double.requestsTo(path).length;
  const tokensThatRead = () => new Set(vault.double.requestsTo(keysUrlPath).map(({ token }) => token));

  it("renews a token after about two thirds of its lease, for as long as that helps", async () => {
    vault.double.logins.appRole.token = { ttlSeconds: 3600 };
    const opened = await vault.open({ pollMs: hour });
    opened.watch(stop.signal);
    await vault.clock.pass(0.6 * hour);
    expect(made(renewPath)).toBe(0);
    await vault.clock.pass(0.13 * hour);
    expect(made(renewPath)).toBe(1);
    await vault.clock.pass(9 * hour);
    expect(made(renewPath)).toBe(14);
    expect(made(loginPath)).toBe(1);
    expect(opened.secrets.health().state).toBe("ok");
    expect(tokensThatRead().size).toBe(1);
  });

  it("logs in again once a renewal gives less than before, ahead of the token's end", async () => {
    vault.double.logins.appRole.token = { ttlSeconds: 3600, maxTtlSeconds: 5400 };
    const opened = await vault.open({ pollMs: hour / 4 });
    opened.watch(stop.signal);
    await vault.clock.pass(0.7 * hour);
    expect([made(renewPath), made(loginPath)]).toEqual([1, 2]);
    await vault.clock.pass(3 * hour);
    expect(opened.types("degraded")).toEqual([]);
    expect(tokensThatRead().size).toBeGreaterThan(1);
  });

  it("logs in again in place of renewing a batch token", async () => {
    vault.double.logins.appRole.token = { ttlSeconds: 600, type: "batch" };
    const opened = await vault.open();
    opened.watch(stop.signal);
    await vault.clock.pass(1_200_000);
    expect([made(renewPath), made(loginPath)]).toEqual([0, 4]);
    expect(opened.types("degraded")).toEqual([]);
  });

  it("logs in again where the renewal is refused", async () => {
    vault.double.logins.appRole.token = { ttlSeconds: 600 };
    vault.double.condition.renewable = false;
    const opened = await vault.open();
    opened.watch(stop.signal);
    await vault.clock.pass(420_000);
    expect([made(renewPath), made(loginPath)]).toEqual([1, 2]);
    expect(opened.types("degraded")).toEqual([]);
  });

  it("keeps trying to renew while Vault is sealed and the token lives", async () => {
    vault.double.logins.appRole.token = { ttlSeconds: 3600 };
    const opened = await vault.open({ pollMs: 10 * hour });
    vault.double.condition.sealed = true;
    await vault.clock.pass(0.7 * hour);
    expect(opened.secrets.health()).toMatchObject({ state: "degraded", reason: "sealed" });
    expect(made(renewPath)).toBeGreaterThan(2);
    vault.double.condition.sealed = false;
    await vault.clock.pass(60_000);
    expect(opened.secrets.health().state).toBe("ok");
    expect([opened.types("renewed").length, made(loginPath)]).toEqual([1, 1]);
  });

  it("logs in once where Vault knows the token no longer, and makes the call again", async () => {
    const opened = await vault.open();
    vault.double.tokens.revokeAll();
    vault.putTwilio("second-auth-token");
    await vault.clock.advance(1_000);
    expect((await opened.secrets.refresh()).twilio["auth-token"]).toBe("second-auth-token");
    expect(made(loginPath)).toBe(2);
    const [old, ...rest] = vault.double.requestsTo(twilioUrlPath).map(({ token }) => token);
    // The old one twice, then the new one: a client never sends a token that it was not made with.
    expect(rest).toEqual([old, expect.not.stringMatching(old ?? "")]);
    expect(opened.types("degraded")).toEqual([]);
  });

  it("does not log in once more for a call that learns later of the same dead token", async () => {
    const timers = new ManualTimers();
    await using other = await VaultUnderTest.start({ timers });
    const { secrets } = await other.open();
    other.double.tokens.revokeAll();
    other.double.plan(keysUrlPath, { kind: "slow", ms: 1 });
    await other.clock.advance(1_000);
    const refreshed = secrets.refresh();
    await other.double.received(twilioUrlPath, 3);
    timers.advance(1);
    await refreshed;
    expect(other.double.requestsTo(loginPath)).toHaveLength(2);
    expect(secrets.health().state).toBe("ok");
  });

  it("logs in without a token", async () => {
    vault.double.logins.appRole.token = { ttlSeconds: 600, type: "batch" };
    await vault.open();
    await vault.clock.pass(900_000);
    const logins = vault.double.requestsTo(loginPath);
    expect(logins.length).toBeGreaterThan(2);
    expect(logins.filter(({ token }) => token !== undefined)).toEqual([]);
  });

  it("does not lock its role out when its secret id is refused", async () => {
    vault.double.logins.appRole.token = { ttlSeconds: 600, type: "batch" };
    const opened = await vault.open();
    opened.watch(stop.signal);
    vault.double.logins.appRole.secretIds.clear();
    for (let passed = 0; passed < hour; passed += 30_000) {
      await vault.clock.pass(30_000);
      await Promise.all([opened.secrets.refresh(), vault.clock.pass(1_000)]);
    }
    expect(opened.secrets.health()).toMatchObject({ state: "degraded", reason: "login_failed" });
    // Pauses of 5, 10, 20 and 30 min, and a tenth more.
    expect(made(loginPath)).toBe(1 + 4);
    vault.double.logins.appRole.secretIds.add("secret-id");
    await vault.clock.pass(0.7 * hour);
    expect(opened.secrets.health().state).toBe("ok");
  });

  describe("with a lease that is longer than a timer can wait", () => {
    beforeEach(() => {
      vault.double.logins.appRole.token = { ttlSeconds: 2000 * 3600 };
    });

    it("waits in parts and renews once", async () => {
      await vault.open();
      await vault.clock.pass(2000 * 0.66 * hour);
      expect(made(renewPath)).toBe(0);
      await vault.clock.pass(2000 * 0.01 * hour);
      expect(made(renewPath)).toBe(1);
      expect(vault.clock.longestSleepMs).toBe(2 ** 31 - 1);
    });

    it("does not renew at once by the real clock", async () => {
      const clock = {
        now: () => performance.now(),
        sleep: (ms: number, signal?: AbortSignal) => sleep(ms, undefined, signal ? { signal } : {}),
      };
      const { secrets } = await vault.open({ clock, refreshEveryMs: 0 });
      // Many turns of the timers: a timer that overflowed would have fired by now.
      for (let count = 0; count < 5; count += 1) await secrets.refresh();
      expect([made(renewPath), made(keysUrlPath)]).toEqual([0, 6]);
    });
  });

  describe("with a token that was given", () => {
    const withToken = (token: string) =>
      vault.open({ auth: { kind: "token", token: `${token}\n` }, pollMs: hour / 2 });

    it("renews it and never logs in", async () => {
      const opened = await withToken(vault.double.tokens.issue({ ttlSeconds: 3600 }));
      opened.watch(stop.signal);
      await vault.clock.pass(3 * hour);
      expect(made(renewPath)).toBe(4);
      expect(opened.types("degraded")).toEqual([]);
    });

    it("leaves one alone that does not expire", async () => {
      const opened = await withToken(vault.double.tokens.issue({ ttlSeconds: 0 }));
      opened.watch(stop.signal);
      await vault.clock.pass(24 * hour);
      expect([made(renewPath), made("auth/token/lookup-self")]).toEqual([0, 1]);
    });

    it("uses one that may not look itself up", async () => {
      vault.double.plan("auth/token/lookup-self", { kind: "answer", answer: policyDenial });
      const { secrets } = await withToken(vault.double.tokens.issue({ ttlSeconds: 3600 }));
      expect(secrets.health().state).toBe("ok");
    });

    it("keeps the last good secrets beyond its end, and says so", async () => {
      const opened = await withToken(vault.double.tokens.issue({ ttlSeconds: 3600, maxTtlSeconds: 3600 }));
      opened.watch(stop.signal);
      await vault.clock.pass(2 * hour);
      expect(opened.secrets.health()).toMatchObject({
        state: "degraded",
        reason: "login_failed",
        detail: "the Vault token is expired or revoked",
      });
      expect(opened.secrets.snapshot().twilio["auth-token"]).toBe("first-auth-token");
      // One renewal, which gained nothing.
      expect(made(renewPath)).toBe(1);
    });

    it("says at once that one which is not renewable ends, and is degraded in time", async () => {
      const token = vault.double.tokens.issue({ ttlSeconds: 3600, renewable: false });
      const opened = await withToken(token);
      expect(opened.types("notice")).toEqual([
        { type: "notice", detail: expect.stringContaining("not renewable and ends in 3600 s") },
      ]);
      opened.watch(stop.signal);
      await vault.clock.pass(0.75 * hour);
      expect(opened.secrets.health()).toMatchObject({ state: "degraded", reason: "token_ends" });
    });

    it("is degraded before its end where it may not renew itself", async () => {
      vault.double.condition.renewable = false;
      const opened = await withToken(vault.double.tokens.issue({ ttlSeconds: 3600 }));
      opened.watch(stop.signal);
      await vault.clock.pass(0.75 * hour);
      expect(opened.secrets.health()).toMatchObject({
        ...{ state: "degraded", reason: "token_ends" },
        detail: expect.stringContaining("periodic token"),
      });
    });

    it("fails at the start where it is not valid", async () => {
      await expect(withToken("hvs.unknown")).rejects.toMatchObject({ reason: "login_failed" });
    });
  });
});
