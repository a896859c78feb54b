import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { VaultSnapshot } from "../../src/vault/snapshot.ts";
import { VaultSecrets } from "../../src/vault/vault-secrets.ts";
import {
  keysPath,
  keysUrlPath,
  OpenedVault,
  twilioPath,
  twilioUrlPath,
  VaultUnderTest,
} from "./vault-under-test.ts";

describe("VaultSecrets, when much is asked or Vault fails", () => {
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

  describe("a forced read", () => {
    it("is one for fifty callers", async () => {
      const { secrets } = await vault.open();
      await vault.clock.advance(1_000);
      const snapshots = await Promise.all(Array.from({ length: 50 }, () => secrets.refresh()));
      expect(new Set(snapshots).size).toBe(1);
      expect(vault.double.requestsTo(twilioUrlPath)).toHaveLength(2);
    });

    it("is followed by one more for all who asked while it ran", async () => {
      const { secrets } = await vault.open();
      await vault.clock.advance(1_000);
      vault.planReads({ kind: "hang" });
      const first = secrets.refresh();
      await vault.double.received(keysUrlPath, 2);
      vault.putTwilio("written-meanwhile");
      const later = Array.from({ length: 20 }, () => secrets.refresh());
      await vault.clock.advance(6_000);
      expect(authToken(await first)).toBe("first-auth-token");
      const snapshots = await Promise.all(later);
      expect(new Set(snapshots.map(authToken))).toEqual(new Set(["written-meanwhile"]));
      expect(vault.double.requestsTo(twilioUrlPath)).toHaveLength(3);
    });

    it("waits until a second has passed since the last one, however often it is asked for", async () => {
      const { secrets } = await vault.open();
      const refreshed = [secrets.refresh(), secrets.refresh()];
      await vault.clock.advance(999);
      expect(vault.double.requestsTo(twilioUrlPath)).toHaveLength(1);
      await vault.clock.advance(1);
      await Promise.all(refreshed);
      expect(vault.double.requestsTo(twilioUrlPath)).toHaveLength(2);
    });

    it("resolves with the last good secrets while Vault is gone", async () => {
      const { secrets } = await vault.open();
      await vault.clock.advance(1_000);
      await vault.double.goDown();
      expect(authToken(await secrets.refresh())).toBe("first-auth-token");
      expect(secrets.health()).toMatchObject({ state: "degraded", reason: "unreachable" });
    });
  });

  describe("while Vault fails", () => {
    it.each([
      ["sealed", { sealed: true }],
      ["denied", { policy: [] }],
      ["unreachable", { overQuota: true }],
    ])("keeps the last good secrets and says since when: %s", async (reason, condition) => {
      const opened = await vault.open({ pollMs: 60_000 });
      opened.watch(stop.signal);
      const before = { ...vault.double.condition };
      Object.assign(vault.double.condition, condition);
      await vault.clock.advance(60_000);
      await opened.told("degraded");
      const since = vault.clock.now();
      expect(opened.secrets.health()).toMatchObject({ state: "degraded", since, reason });
      expect(authToken(opened.secrets.snapshot())).toBe("first-auth-token");

      Object.assign(vault.double.condition, before);
      vault.putTwilio("second-auth-token");
      // It does not wait for a whole poll: 0.75 s, then the least pause between two reads.
      await vault.clock.advance(1_000);
      await opened.told("recovered");
      expect(authToken(opened.secrets.snapshot())).toBe("second-auth-token");
    });

    it("is degraded since the first fault, though the reason changes", async () => {
      const opened = await vault.open();
      vault.double.condition.sealed = true;
      await vault.clock.advance(1_000);
      const since = vault.clock.now();
      await opened.secrets.refresh();
      Object.assign(vault.double.condition, { sealed: false, policy: [] });
      await vault.clock.advance(5_000);
      await opened.secrets.refresh();
      expect(opened.secrets.health()).toMatchObject({ state: "degraded", since, reason: "denied" });
      expect(opened.types("degraded").map((event) => "reason" in event && event.reason)).toEqual([
        "sealed",
        "denied",
      ]);
    });

    it("tells a second fault that differs in path or field, and the same one once", async () => {
      const opened = await vault.open();
      const refreshed = async () => {
        await vault.clock.advance(1_000);
        await opened.secrets.refresh();
      };
      vault.double.kv.put(twilioPath, { "account-sid": "AC1", "auth-token": "" });
      await refreshed();
      await refreshed();
      vault.double.kv.put(keysPath, { "code-pepper": { keys: {} } });
      vault.putTwilio("good");
      await refreshed();
      const details = opened.types("degraded").map((event) => "detail" in event && event.detail);
      expect(details).toEqual([
        expect.stringContaining("providers/twilio: auth-token is required"),
        "signature-router/keys: code-pepper has no primary",
      ]);
    });

    it("asks less and less often, up to the usual pause", async () => {
      const opened = await vault.open({ pollMs: 8_000 });
      opened.watch(stop.signal);
      vault.double.condition.sealed = true;
      await vault.clock.advance(8_000);
      await opened.told("degraded");
      const asked = [];
      for (let count = 3; count <= 7; count += 1) {
        const from = vault.clock.now();
        while (vault.double.requestsTo(keysUrlPath).length < count) {
          await vault.clock.pass(250);
        }
        asked.push(vault.clock.now() - from);
      }
      expect(asked).toEqual([1_000, 1_500, 3_000, 6_000, 6_000]);
    });

    it("recovers though it was gone for longer than the token lived", async () => {
      vault.double.logins.appRole.token = { ttlSeconds: 60 };
      const opened = await vault.open({ pollMs: 60_000 });
      opened.watch(stop.signal);
      await vault.double.goDown();
      await vault.clock.pass(600_000);
      expect(opened.secrets.health()).toMatchObject({ state: "degraded", reason: "unreachable" });
      await vault.double.comeBack();
      await vault.clock.pass(60_000);
      expect(opened.secrets.health().state).toBe("ok");
      expect(opened.types("logged_in")).toHaveLength(2);
    });

    it("does not fail with a watcher that does", async () => {
      const opened = await vault.open({ pollMs: 10_000 });
      const ended = opened.secrets.watch(() => {
        throw new Error("first-auth-token");
      }, stop.signal);
      vault.putTwilio("second-auth-token");
      await vault.clock.advance(10_000);
      expect(await opened.told("listener_failed")).toEqual({ type: "listener_failed" });
      stop.abort();
      await expect(ended).resolves.toBeUndefined();
    });
  });

  describe("the start", () => {
    const failsToOpen = async () => {
      const opened = new OpenedVault();
      return VaultSecrets.open(vault.options(opened), stop.signal).then(
        () => undefined,
        (error: unknown) => error,
      );
    };

    it("fails with the path of each secret that is missing", async () => {
      vault.double.kv.remove(twilioPath);
      vault.double.kv.remove(keysPath);
      expect(await failsToOpen()).toMatchObject({
        reason: "missing_secret",
        message:
          "Vault has no secret at secret/data/providers/twilio; Vault has no secret at secret/data/signature-router/keys",
      });
    });

    it("fails with each field that is missing, and without the values", async () => {
      vault.double.kv.put(twilioPath, { "account-sid": "hidden-sid", "auth-token": "" });
      vault.double.kv.put(keysPath, { "code-pepper": { keys: { p1: "hidden-key" } } });
      const error = await failsToOpen();
      expect(error).toMatchObject({
        reason: "invalid",
        message:
          "providers/twilio: auth-token is required; providers/twilio: from-number is required; signature-router/keys: code-pepper has no primary",
      });
      expect(String(error)).not.toContain("hidden");
    });

    it("says that the mount is KV version 1", async () => {
      await using other = await VaultUnderTest.start({ kvVersion: 1 });
      await expect(other.open()).rejects.toMatchObject({
        reason: "invalid",
        message: expect.stringContaining("the Vault mount secret is KV version 1"),
      });
    });

    it("says that OpenBao does not know the namespace", async () => {
      await using other = await VaultUnderTest.start({ flavour: "openbao", namespace: "payments" });
      await expect(other.open({ namespace: "treasury" })).rejects.toMatchObject({
        reason: "invalid",
        message: "Vault knows no such namespace: see VAULT_NAMESPACE",
      });
    });

    it("says that the port speaks TLS where the address is http", async () => {
      const text = "Client sent an HTTP request to an HTTPS server.\n";
      vault.double.plan("auth/approle/login", { kind: "text", status: 400, text });
      expect(await failsToOpen()).toMatchObject({
        reason: "invalid",
        message: "VAULT_ADDR is http and the port speaks TLS: write https://",
      });
    });

    it("fails where the secret was deleted", async () => {
      vault.double.kv.delete(keysPath);
      expect(await failsToOpen()).toMatchObject({
        reason: "missing_secret",
        message: "the latest version of secret/data/signature-router/keys is deleted",
      });
    });

    it("fails where a policy denies the path, without logging in once more", async () => {
      vault.double.condition.policy = [twilioUrlPath];
      expect(await failsToOpen()).toMatchObject({
        reason: "denied",
        message: expect.stringContaining(keysUrlPath),
      });
      expect(vault.double.requestsTo("auth/approle/login")).toHaveLength(1);
    });

    it("waits for a Vault that is sealed", async () => {
      vault.double.condition.sealed = true;
      const opening = vault.open();
      await vault.double.received("auth/approle/login");
      vault.double.condition.sealed = false;
      await vault.clock.pass(1_000);
      await opening;
      expect(vault.double.requestsTo(twilioUrlPath)).toHaveLength(1);
    });

    it("gives up on a Vault that stays away", async () => {
      await vault.double.goDown();
      const failed = failsToOpen();
      await vault.clock.pass(30_000);
      expect(await failed).toMatchObject({ reason: "unreachable" });
    });

    it("ends with the signal", async () => {
      vault.double.plan("auth/approle/login", { kind: "hang" });
      const failed = failsToOpen();
      await vault.double.received("auth/approle/login");
      stop.abort(new Error("shutting down"));
      expect(await failed).toEqual(new Error("shutting down"));
      expect(vault.clock.sleeping).toBe(0);
    });
  });
});
