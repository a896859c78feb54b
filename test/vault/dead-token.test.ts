import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { policyDenial } from "../../src/sandbox/vault-answer.ts";
import { VaultSecrets } from "../../src/vault/vault-secrets.ts";
import { OpenedVault, VaultUnderTest } from "./vault-under-test.ts";

const hour = 3_600_000;
const loginPath = "auth/approle/login";

describe("TokenSession, where OpenBao refuses a dead token as it refuses a path", () => {
  let bao: VaultUnderTest;
  let stop: AbortController;

  beforeEach(async () => {
    bao = await VaultUnderTest.start({ flavour: "openbao" });
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort();
    await bao[Symbol.asyncDispose]();
  });

  const asked = (path: string) => bao.double.requestsTo(path).length;

  it("logs in at once, and reads what was written meanwhile", async () => {
    const opened = await bao.open({ pollMs: hour });
    bao.double.tokens.revokeAll();
    bao.putTwilio("second-auth-token");
    await bao.clock.advance(1_000);
    expect((await opened.secrets.refresh()).twilio["auth-token"]).toBe("second-auth-token");
    expect([asked(loginPath), asked("auth/token/lookup-self")]).toEqual([2, 1]);
    expect(opened.types("degraded")).toEqual([]);
  });

  it("does not log in where the token lives and a policy denies the path", async () => {
    const opened = await bao.open();
    bao.double.condition.policy = [];
    await bao.clock.advance(1_000);
    await opened.secrets.refresh();
    expect(opened.secrets.health()).toMatchObject({ state: "degraded", reason: "denied" });
    expect(asked(loginPath)).toBe(1);
  });

  it("logs in ever more rarely where a policy denies lookup-self as well", async () => {
    bao.double.plan("auth/token/lookup-self", { kind: "answer", answer: policyDenial }, 10_000);
    const opened = await bao.open();
    opened.watch(stop.signal);
    bao.double.condition.policy = [];
    await bao.clock.pass(hour);
    // At once, and after 5, 10, 20 and 30 min, and a tenth more.
    expect(asked(loginPath)).toBe(1 + 4);
    bao.double.condition.policy = ["secret/*"];
    await bao.clock.pass(120_000);
    expect(opened.secrets.health().state).toBe("ok");
  });

  it("goes on with a token that is good for a few calls, by one login for each few", async () => {
    bao.double.logins.appRole.token = { ttlSeconds: 768 * 3600, numUses: 6 };
    const opened = await bao.open({ pollMs: 60_000 });
    opened.watch(stop.signal);
    await bao.clock.pass(hour);
    bao.putTwilio("second-auth-token");
    await bao.clock.pass(70_000);
    expect(opened.secrets.snapshot().twilio["auth-token"]).toBe("second-auth-token");
    expect(opened.types("degraded")).toEqual([]);
    expect(opened.types("notice")).toEqual([
      { type: "notice", detail: expect.stringContaining("good for 6 calls") },
    ]);
  });

  it("does not call a wrong VAULT_TOKEN logged in", async () => {
    const opened = new OpenedVault();
    const auth = { kind: "token", token: "hvs.wrong" } as const;
    const failed = VaultSecrets.open(bao.options(opened, { auth }), stop.signal);
    await expect(failed).rejects.toMatchObject({
      reason: "login_failed",
      message: expect.stringContaining("expired, revoked or unknown"),
    });
    expect(opened.types("logged_in")).toEqual([]);
  });

  it("calls a VAULT_TOKEN logged in that may not look itself up, once it was read with", async () => {
    bao.double.plan("auth/token/lookup-self", { kind: "answer", answer: policyDenial });
    const token = bao.double.tokens.issue({ ttlSeconds: 3600 });
    const opened = await bao.open({ auth: { kind: "token", token } });
    expect(opened.types("logged_in")).toHaveLength(1);
  });
});
