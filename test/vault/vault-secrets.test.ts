import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { VaultSnapshot } from "../../src/vault/snapshot.ts";
import {
  keysPath,
  keysUrlPath,
  ring,
  twilioPath,
  twilioUrlPath,
  VaultUnderTest,
} from "./vault-under-test.ts";

describe("VaultSecrets", () => {
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

  const authToken = (snapshot: VaultSnapshot) => snapshot.twilio["auth-token"];

  it("reads both secrets at the start", async () => {
    const { secrets } = await vault.open();
    expect(secrets.snapshot().twilio).toEqual({
      "account-sid": "AC1",
      "auth-token": "first-auth-token",
      "from-number": "+15005550006",
    });
    expect(secrets.snapshot().keys).toEqual(ring("p1", "p1"));
    expect(secrets.snapshot().versions).toEqual({ twilio: 1, keys: 1 });
    expect(secrets.health().state).toBe("ok");
  });

  it("needs no more than to read the two secrets", async () => {
    vault.double.condition.policy = [twilioUrlPath, keysUrlPath];
    const { secrets } = await vault.open();
    expect(authToken(secrets.snapshot())).toBe("first-auth-token");
  });

  it("reads from another mount and in a namespace", async () => {
    await using other = await VaultUnderTest.start({ mount: "teams/kv", namespace: "payments" });
    const { secrets } = await other.open({ mount: "/teams/kv/", namespace: "payments" });
    expect(authToken(secrets.snapshot())).toBe("first-auth-token");
    expect(new Set(other.double.requests.map(({ namespace }) => namespace))).toEqual(new Set(["payments"]));
    await expect(other.open({ mount: "teams/kv" })).rejects.toMatchObject({ reason: "login_failed" });
  });

  it("reads OpenBao's answers as well", async () => {
    await using other = await VaultUnderTest.start({ flavour: "openbao" });
    const { secrets } = await other.open();
    expect(authToken(secrets.snapshot())).toBe("first-auth-token");
  });

  it("gives a snapshot in which nothing can be changed", async () => {
    const { secrets } = await vault.open();
    const { twilio, keys } = secrets.snapshot();
    const rings = keys as Record<string, { keys: Record<string, string> }>;
    expect(() => Object.assign(twilio, { "auth-token": "other" })).toThrow(TypeError);
    expect(() => Object.assign(rings["code-pepper"]!.keys, { p1: "other" })).toThrow(TypeError);
  });

  describe("a new version", () => {
    it("reaches a process at its next read, while the other still uses the old one", async () => {
      const early = await vault.open({ pollMs: 10_000 });
      const late = await vault.open({ pollMs: 60_000 });
      const [earlyWatch, lateWatch] = [early.watch(stop.signal), late.watch(stop.signal)];
      const before = early.secrets.snapshot();

      vault.putTwilio("second-auth-token");
      await vault.clock.advance(10_000);
      await early.told("changed", 2);
      expect(earlyWatch.changes.map(authToken)).toEqual(["second-auth-token"]);
      expect(authToken(early.secrets.snapshot())).toBe("second-auth-token");
      expect(authToken(before)).toBe("first-auth-token");
      expect(authToken(late.secrets.snapshot())).toBe("first-auth-token");

      await vault.clock.advance(50_000);
      await late.told("changed", 2);
      expect(lateWatch.changes.map(authToken)).toEqual(["second-auth-token"]);
      expect(earlyWatch.changes).toHaveLength(1);
    });

    it("is looked for at times that chance spreads", async () => {
      const early = await vault.open({ pollMs: 10_000, random: { fraction: () => 0 } });
      early.watch(stop.signal);
      vault.putTwilio("second-auth-token");
      await vault.clock.pass(9_000);
      expect(authToken(early.secrets.snapshot())).toBe("second-auth-token");
    });

    it("is taken over at once by a forced read", async () => {
      const { secrets } = await vault.open();
      await vault.clock.advance(1_000);
      vault.double.kv.put(keysPath, ring("p2", "p1", "p2"));
      const refreshed = await secrets.refresh();
      expect(refreshed.keys).toEqual(ring("p2", "p1", "p2"));
      expect(refreshed.versions).toEqual({ twilio: 1, keys: 2 });
      expect(secrets.snapshot()).toBe(refreshed);
    });

    it("is told to the watcher whoever read it", async () => {
      const opened = await vault.open();
      const { changes } = opened.watch(stop.signal);
      await vault.clock.advance(1_000);
      vault.putTwilio("second-auth-token");
      await opened.secrets.refresh();
      expect(changes.map(authToken)).toEqual(["second-auth-token"]);
    });

    it("is not told where nothing changed", async () => {
      const opened = await vault.open({ pollMs: 10_000 });
      const { changes } = opened.watch(stop.signal);
      const before = opened.secrets.snapshot();
      await vault.clock.advance(10_000);
      await vault.double.received(keysUrlPath, 2);
      await opened.secrets.close();
      expect(changes).toEqual([]);
      expect(opened.secrets.snapshot()).toBe(before);
    });

    it("is taken over after the secret was removed and written anew, though it is version 1 again", async () => {
      const { secrets } = await vault.open();
      await vault.clock.advance(1_000);
      vault.double.kv.remove(twilioPath);
      vault.putTwilio("token-of-the-new-secret");
      expect(authToken(await secrets.refresh())).toBe("token-of-the-new-secret");
    });

    it("is not given up for an older one that a lagging standby answers", async () => {
      const { secrets } = await vault.open();
      const old = vault.double.kv.read(twilioPath, 1);
      await vault.clock.advance(1_000);
      vault.putTwilio("second-auth-token");
      await secrets.refresh();
      vault.double.plan(twilioUrlPath, { kind: "answer", answer: old });
      await vault.clock.advance(1_000);
      expect(authToken(await secrets.refresh())).toBe("second-auth-token");
      expect(secrets.health().state).toBe("ok");
    });
  });

  describe("a bad new version", () => {
    it.each([
      ["a ring without a primary", () => vault.double.kv.put(keysPath, {}), "invalid", "code-pepper"],
      ["an empty token", () => vault.putTwilio(""), "invalid", "auth-token is required"],
      [
        "a field that is no text",
        () => vault.double.kv.put(twilioPath, { "auth-token": { nested: "hidden-value" } }),
        "invalid",
        "auth-token must be text",
      ],
      ["a deleted one", () => vault.double.kv.delete(twilioPath), "missing_secret", "is deleted"],
      ["a destroyed one", () => vault.double.kv.destroy(keysPath), "missing_secret", "is deleted"],
      ["a removed one", () => vault.double.kv.remove(keysPath), "missing_secret", "no secret at"],
    ])("is refused: %s", async (_name, spoil, reason, detail) => {
      const opened = await vault.open();
      const before = opened.secrets.snapshot();
      await vault.clock.advance(1_000);
      const since = vault.clock.now();
      spoil();
      expect(await opened.secrets.refresh()).toBe(before);
      expect(opened.secrets.health()).toMatchObject({ state: "degraded", since, reason });
      expect(opened.secrets.health()).toMatchObject({ detail: expect.stringContaining(detail) });
      expect(JSON.stringify(opened.events)).not.toContain("hidden-value");
    });

    it("does not hold up a good one of the other secret", async () => {
      const { secrets } = await vault.open();
      await vault.clock.advance(1_000);
      vault.double.kv.put(keysPath, {});
      vault.putTwilio("second-auth-token");
      const snapshot = await secrets.refresh();
      expect(authToken(snapshot)).toBe("second-auth-token");
      expect(snapshot.keys).toEqual(ring("p1", "p1"));
      expect(secrets.health()).toMatchObject({ state: "degraded", reason: "invalid" });
    });

    it("is left behind by the next good one", async () => {
      const opened = await vault.open();
      await vault.clock.advance(1_000);
      vault.double.kv.put(keysPath, {});
      await opened.secrets.refresh();
      await vault.clock.advance(1_000);
      vault.double.kv.put(keysPath, ring("p2", "p2"));
      expect((await opened.secrets.refresh()).keys).toEqual(ring("p2", "p2"));
      expect(opened.secrets.health()).toEqual({ state: "ok", since: vault.clock.now() });
      expect(opened.types("recovered")).toHaveLength(1);
    });
  });

  it("leaves no timer and no watch behind once it is closed, and keeps the snapshot", async () => {
    const opened = await vault.open();
    const { ended } = opened.watch(stop.signal);
    const refreshed = opened.secrets.refresh();
    await opened.secrets.close();
    await ended;
    expect(authToken(await refreshed)).toBe("first-auth-token");
    expect(authToken(await opened.secrets.refresh())).toBe("first-auth-token");
    await vault.clock.settle();
    expect(vault.clock.sleeping).toBe(0);
  });
});
