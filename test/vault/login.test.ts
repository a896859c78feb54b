import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { envelope } from "../../src/sandbox/vault-answer.ts";
import { keysUrlPath, VaultUnderTest } from "./vault-under-test.ts";

describe("createLogin", () => {
  let vault: VaultUnderTest;

  beforeEach(async () => {
    vault = await VaultUnderTest.start();
  });

  afterEach(() => vault[Symbol.asyncDispose]());

  const approle = (secretId: string, wrapped = false) =>
    vault.open({ auth: { kind: "approle", roleId: "role-id", secretId, wrapped } });

  describe("with an AppRole", () => {
    it("trims what was read from a file", async () => {
      await approle("secret-id\n");
      expect(vault.double.requestsTo("auth/approle/login")[0]?.body).toEqual({
        role_id: "role-id",
        secret_id: "secret-id",
      });
    });

    it("asks once and fails where the secret id is wrong", async () => {
      await expect(approle("other")).rejects.toMatchObject({
        reason: "login_failed",
        message: "Vault refused the login at auth/approle/login (status 400)",
      });
      expect(vault.double.requestsTo("auth/approle/login")).toHaveLength(1);
    });

    it("fails where the role is locked out", async () => {
      for (let count = 0; count < 5; count += 1) await expect(approle("other")).rejects.toThrow("400");
      await expect(approle("secret-id")).rejects.toMatchObject({ reason: "login_failed", status: 403 });
      await vault.clock.advance(15 * 60_000);
      await approle("secret-id");
    });

    it("fails where Vault asks for a second factor", async () => {
      const answer = envelope({ auth: { client_token: "", mfa_requirement: { mfa_request_id: "id" } } });
      vault.double.plan("auth/approle/login", { kind: "answer", answer });
      await expect(approle("secret-id")).rejects.toMatchObject({ reason: "login_failed" });
    });
  });

  describe("with a wrapped secret id", () => {
    it("unwraps it once and keeps it for later logins", async () => {
      vault.double.logins.appRole.token = { ttlSeconds: 600, type: "batch" };
      vault.double.logins.appRole.secretIds.clear();
      const wrappingToken = vault.double.wrapSecretId("unwrapped-secret-id");
      await approle(wrappingToken, true);
      await vault.clock.pass(900_000);
      const unwraps = vault.double.requestsTo("sys/wrapping/unwrap");
      expect(unwraps.map(({ token, body }) => ({ token, body }))).toEqual([
        { token: wrappingToken, body: {} },
      ]);
      const logins = vault.double.requestsTo("auth/approle/login");
      expect(logins.length).toBeGreaterThan(2);
      expect(new Set(logins.map(({ body }) => body["secret_id"]))).toEqual(new Set(["unwrapped-secret-id"]));
    });

    it("is not lost where Vault fails between the unwrapping and the login", async () => {
      vault.double.plan("auth/approle/login", { kind: "reset" });
      const opening = approle(vault.double.wrapSecretId("unwrapped-secret-id"), true);
      await vault.double.received("auth/approle/login");
      await vault.clock.pass(2_000);
      await opening;
      expect(vault.double.requestsTo("sys/wrapping/unwrap")).toHaveLength(1);
    });

    it("says at the first login that there can be no second", async () => {
      const opened = await approle(vault.double.wrapSecretId("unwrapped-secret-id", 300, 1), true);
      expect(opened.types("notice")).toEqual([
        { type: "notice", detail: expect.stringContaining("good for 1 login in all") },
      ]);
    });

    it("says what it may mean that somebody has unwrapped it before", async () => {
      const wrappingToken = vault.double.wrapSecretId("unwrapped-secret-id");
      vault.double.tokens.unwrap(wrappingToken);
      const failed = approle(wrappingToken, true);
      await expect(failed).rejects.toMatchObject({ reason: "login_failed" });
      await expect(failed).rejects.toThrow("already unwrapped or has expired");
      await expect(failed).rejects.not.toThrow(wrappingToken);
      expect(vault.double.requestsTo("auth/approle/login")).toEqual([]);
    });
  });

  describe("with a Kubernetes service account", () => {
    let directory: string;
    let jwtPath: string;

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), "service-account-"));
      jwtPath = join(directory, "token");
      await writeFile(jwtPath, "jwt\n");
    });

    afterEach(() => rm(directory, { recursive: true }));

    it("logs in with the token that its file holds at that time", async () => {
      vault.double.logins.kubernetesRole.token = { ttlSeconds: 600, type: "batch" };
      const opened = await vault.open({ auth: { kind: "kubernetes", role: "signature-router", jwtPath } });
      await writeFile(jwtPath, "rotated-jwt");
      vault.double.logins.kubernetesRole.jwts = new Set(["rotated-jwt"]);
      await vault.clock.pass(450_000);
      await opened.told("logged_in", 2);
      const logins = vault.double.requestsTo("auth/kubernetes/login");
      expect(logins.map(({ body }) => body)).toEqual([
        { role: "signature-router", jwt: "jwt" },
        { role: "signature-router", jwt: "rotated-jwt" },
      ]);
      expect(vault.double.requestsTo(keysUrlPath)).toHaveLength(1);
    });

    it.each([
      ["the role is unknown", { role: "other" }, "status 400"],
      ["the service account is not bound", { jwtFile: "other-jwt" }, "status 403"],
      ["nothing is mounted there", { mountPoint: "clusters/east" }, "auth/clusters/east/login"],
      ["the file is missing", { jwtFile: undefined }, "cannot be read"],
    ])("fails where %s", async (_case, given, message) => {
      const { jwtFile, ...auth }: { jwtFile?: string | undefined; role?: string; mountPoint?: string } =
        given;
      if (jwtFile !== undefined) await writeFile(jwtPath, jwtFile);
      const path = message === "cannot be read" ? join(directory, "none") : jwtPath;
      const failed = vault.open({
        auth: { kind: "kubernetes", role: "signature-router", jwtPath: path, ...auth },
      });
      await expect(failed).rejects.toMatchObject({
        reason: "login_failed",
        message: expect.stringContaining(message),
      });
    });
  });
});
