import { execFile } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { inspect, promisify } from "node:util";
import nodeVault from "node-vault";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { VaultDouble } from "../../src/sandbox/vault-double.ts";
import { VaultError } from "../../src/vault/vault-error.ts";
import { VaultSecrets } from "../../src/vault/vault-secrets.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { keysUrlPath, OpenedVault, twilioUrlPath, VaultUnderTest } from "./vault-under-test.ts";

describe("VaultClient over node-vault", () => {
  let vault: VaultUnderTest;

  beforeEach(async () => {
    vault = await VaultUnderTest.start();
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await vault[Symbol.asyncDispose]();
  });

  describe("goes by its options alone", () => {
    it("and not by VAULT_* or the proxies of the environment", async () => {
      await using other = await VaultDouble.start();
      vi.stubEnv("VAULT_ADDR", other.url);
      vi.stubEnv("VAULT_TOKEN", "token-of-the-environment");
      vi.stubEnv("VAULT_NAMESPACE", "namespace-of-the-environment");
      vi.stubEnv("VAULT_PREFIX", "/prefix-of-the-environment");
      for (const name of ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "ALL_PROXY"]) {
        vi.stubEnv(name, other.url);
      }
      await vault.open();
      expect(other.requests).toEqual([]);
      const seen = vault.double.requests.map(({ path, token, namespace }) => ({ path, token, namespace }));
      const token = seen[1]?.token;
      expect(token).toMatch(/^hvs\./);
      expect(seen).toEqual([
        { path: "auth/approle/login", token: undefined, namespace: undefined },
        { path: twilioUrlPath, token, namespace: undefined },
        { path: keysUrlPath, token, namespace: undefined },
      ]);
    });

    it("while node-vault by itself takes the environment's token along", async () => {
      vi.stubEnv("VAULT_TOKEN", "token-of-the-environment");
      const client = nodeVault({ endpoint: vault.double.url });
      await client["approleLogin"]({ role_id: "role-id", secret_id: "secret-id" });
      expect(vault.double.requests[0]?.token).toBe("token-of-the-environment");
    });

    it("checks the certificate whatever VAULT_SKIP_VERIFY says", async () => {
      using authority = new CertificateAuthority();
      const tls = authority.issue("vault", "IP:127.0.0.1");
      await using secured = await VaultUnderTest.start({ tls });
      vi.stubEnv("VAULT_SKIP_VERIFY", "true");
      vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
      // At once, though it would wait 30 s for a Vault that is away.
      await expect(secured.open()).rejects.toMatchObject({
        reason: "invalid",
        message: expect.stringMatching(/UNABLE_TO_VERIFY.*VAULT_CACERT/),
      });
      expect(secured.double.requests).toEqual([]);
      const { secrets } = await secured.open({ caFile: authority.certFile });
      expect(secrets.health().state).toBe("ok");
    });

    it("says at once that the port does not speak TLS", async () => {
      const addr = vault.double.url.replace("http:", "https:");
      await expect(vault.open({ addr })).rejects.toMatchObject({
        reason: "invalid",
        message: expect.stringContaining("VAULT_ADDR is https"),
      });
    });

    it("says which CA file it cannot read", async () => {
      await expect(vault.open({ caFile: "/nowhere/ca.pem" })).rejects.toThrow("/nowhere/ca.pem");
    });
  });

  it("tells the health check from a secret whose path looks like it", async () => {
    const failed = vault.open({ mount: "kv/sys/health" });
    await expect(failed).rejects.toMatchObject({ reason: "denied" });
  });

  it("sends the header that a Vault Agent may demand", async () => {
    await vault.open();
    const sent = vault.double.requests.map(({ headers }) => headers["x-vault-request"]);
    expect(sent).toEqual(["true", "true", "true"]);
  });

  it("follows no redirect, so that no other host sees the token", async () => {
    await using other = await VaultDouble.start();
    const opened = await vault.open();
    await vault.clock.advance(1_000);
    vault.double.condition.activeNode = other.url;
    await opened.secrets.refresh();
    expect(opened.secrets.health()).toMatchObject({
      state: "degraded",
      reason: "unreachable",
      detail: expect.stringContaining("redirects are not followed"),
    });
    expect(other.requests).toEqual([]);
  });

  it("prints nothing under DEBUG=node-vault, where node-vault by itself prints the secret id", async () => {
    const debug = createRequire(createRequire(import.meta.url).resolve("node-vault"))("debug") as {
      enable(names: string): void;
      disable(): void;
      log: (...args: unknown[]) => void;
    };
    const printed: string[] = [];
    const { log } = debug;
    debug.log = (...args) => printed.push(inspect(args));
    debug.enable("node-vault");
    try {
      await vault.open();
      expect(printed).toEqual([]);
      await nodeVault({ endpoint: vault.double.url })
        ["approleLogin"]({ role_id: "r", secret_id: "s3cret" })
        .catch(() => {});
      expect(printed.join("\n")).toContain("s3cret");
    } finally {
      debug.disable();
      debug.log = log;
    }
  });

  it("is loaded only where there is a Vault to open", async () => {
    const source = new URL("../../src/vault/vault-secrets.ts", import.meta.url);
    const script = `
      await import(${JSON.stringify(source.href)});
      const { createRequire } = await import("node:module");
      console.log(Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes("/axios/")));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script], {
      cwd: new URL("../..", import.meta.url),
    });
    expect(stdout.trim()).toBe("false");
  });

  describe("waits no longer than its timeout", () => {
    it.each(["hang", "stall"] as const)("and hangs up: %s", async (kind) => {
      const opened = await vault.open();
      await vault.clock.advance(1_000);
      vault.planReads({ kind });
      const abandoned = once(vault.double, "abandoned");
      const refreshed = opened.secrets.refresh();
      await vault.double.received(keysUrlPath, 2);
      await vault.double.received(twilioUrlPath, 2);
      await vault.clock.advance(5_000);
      expect(opened.secrets.health().state).toBe("ok");
      await vault.clock.advance(1);
      await refreshed;
      await abandoned;
      expect(opened.secrets.health()).toMatchObject({ state: "degraded", reason: "timeout" });
      expect(vault.clock.sleeping).toBe(1);
    });

    it("though Vault answers in the end", async () => {
      const opened = await vault.open();
      await vault.clock.advance(1_000);
      vault.planReads({ kind: "slow", ms: 3 });
      await opened.secrets.refresh();
      expect(opened.secrets.health().state).toBe("ok");
    });
  });

  describe("turns every fault into a VaultError", () => {
    const secretValues = () => [
      "role-id",
      "secret-id",
      "first-auth-token",
      "base64-of-p1",
      ...vault.double.requests.flatMap(({ token }) => token ?? []),
    ];
    const shown = (value: unknown) =>
      [
        inspect(value, { depth: 20, showHidden: true, getters: true }),
        JSON.stringify(value),
        String(value),
        value instanceof Error ? value.stack : "",
      ].join("\n");

    it.each([
      ["a reset", { kind: "reset" }, "unreachable"],
      ["an HTML page with status 502", { kind: "text", status: 502, text: "<html>" }, "unreachable"],
      [
        "an HTML page with status 200",
        { kind: "text", status: 200, text: "<html>first-auth-token" },
        "invalid",
      ],
      ["a page beyond all bounds", { kind: "text", status: 200, text: "x".repeat(1 << 21) }, "unreachable"],
      ["429", { kind: "answer", answer: { status: 429, body: { errors: ["quota"] } } }, "unreachable"],
      ["500", { kind: "answer", answer: { status: 500, body: { errors: ["internal"] } } }, "unreachable"],
      ["412", { kind: "answer", answer: { status: 412, body: { errors: [] } } }, "unreachable"],
      ["400", { kind: "answer", answer: { status: 400, body: { errors: ["first-auth-token"] } } }, "invalid"],
      ["no body", { kind: "answer", answer: { status: 204 } }, "invalid"],
      ["an answer of another shape", { kind: "answer", answer: { status: 200, body: [1] } }, "invalid"],
      ["KV version 1", { kind: "answer", answer: { status: 200, body: { data: { a: "b" } } } }, "invalid"],
    ] as const)("that shows no secret: %s", async (_name, step, reason) => {
      vault.planReads(step);
      const opened = new OpenedVault();
      const options = vault.options(opened, { openMs: 0 });
      const error = await VaultSecrets.open(options, new AbortController().signal).catch((thrown) => thrown);
      expect(error).toBeInstanceOf(VaultError);
      expect(error).toMatchObject({ reason });
      expect(error).not.toHaveProperty("cause");
      for (const secret of secretValues()) expect(shown(error)).not.toContain(secret);
    });

    it("that shows no secret: a connection that is refused during the login", async () => {
      await vault.double.goDown();
      const error = await vault.open({ openMs: 0 }).catch((thrown) => thrown);
      expect(error).toMatchObject({
        reason: "unreachable",
        message: "Vault cannot be reached (ECONNREFUSED)",
      });
      expect(shown(error)).not.toMatch(/role-id|secret-id/);
    });

    it("while node-vault by itself shows the token", async () => {
      await vault.double.goDown();
      const client = nodeVault({ endpoint: vault.double.url, token: "hvs.shown" });
      const error = await client.read(keysUrlPath).catch((thrown) => thrown);
      expect(shown(error)).toContain("hvs.shown");
    });

    it("and shows no secret when what holds them is inspected", async () => {
      const opened = await vault.open();
      vault.double.condition.sealed = true;
      await vault.clock.advance(1_000);
      await opened.secrets.refresh();
      const holders = [opened.secrets, opened.secrets.snapshot(), opened.secrets.health(), opened.events];
      for (const holder of holders) {
        for (const secret of secretValues()) expect(shown(holder)).not.toContain(secret);
      }
      expect(inspect(opened.secrets.snapshot())).toContain("versions");
    });
  });

  it.each([
    ["http://vault.bank:8200", "must be https"],
    ["ftp://127.0.0.1", "must be https"],
    ["vault.bank", "is not a URL"],
    ["https://user:hidden@vault.bank", "must have no credentials"],
    ["https://vault.bank?token=hidden", "must have no credentials"],
  ])("refuses the address %s", async (addr, message) => {
    const failed = vault.open({ addr });
    await expect(failed).rejects.toMatchObject({
      reason: "invalid",
      message: expect.stringContaining(message),
    });
    await expect(failed).rejects.not.toThrow("hidden");
  });

  it.each(["", "../sys", "a//b", "a b", "a?b", "a&#x2F;b"])("refuses the mount %j", async (mount) => {
    await expect(vault.open({ mount })).rejects.toMatchObject({ reason: "invalid" });
    expect(vault.double.requests).toEqual([]);
  });
});
