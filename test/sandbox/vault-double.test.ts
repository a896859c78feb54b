import nodeVault from "node-vault";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VaultDouble, type VaultDoubleOptions } from "../../src/sandbox/vault-double.ts";
import { ManualTimers } from "../support/manual-timers.ts";

const path = "secret/data/providers/twilio";
const metadataPath = "secret/metadata/providers/twilio";
const invalidToken = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";
const policyDenial = "1 error occurred:\n\t* permission denied\n\n";

describe("VaultDouble", () => {
  let timers: ManualTimers;
  let vault: VaultDouble;
  const others: VaultDouble[] = [];

  beforeEach(async () => {
    timers = new ManualTimers();
    vault = await start();
  });

  afterEach(async () => {
    for (const double of others.splice(0)) await double.close();
  });

  async function start(options: VaultDoubleOptions = {}): Promise<VaultDouble> {
    const double = await VaultDouble.start({ clock: timers.now, timers, ...options });
    others.push(double);
    return double;
  }

  async function call(
    callPath: string,
    options: { token?: string; method?: string; body?: unknown; namespace?: string; of?: VaultDouble } = {},
  ) {
    const {
      token,
      method = options.body === undefined ? "GET" : "POST",
      body,
      namespace,
      of = vault,
    } = options;
    const response = await fetch(`${of.url}/v1/${callPath}`, {
      method,
      redirect: "manual",
      headers: {
        ...(token !== undefined && { "X-Vault-Token": token }),
        ...(namespace !== undefined && { "X-Vault-Namespace": namespace }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
  }

  const root = () => vault.tokens.issue({ ttlSeconds: 0 });
  const errors = (...texts: string[]) => ({ errors: texts });

  it("answers node-vault's login, read and renewal", async () => {
    vault.kv.put("providers/twilio", { "auth-token": "one" });
    const client = nodeVault({ endpoint: vault.url, noCustomHTTPVerbs: true });
    const login = await client["approleLogin"]({ role_id: "role-id", secret_id: "secret-id" });
    expect(login.auth).toMatchObject({ lease_duration: 2_764_800, renewable: true, token_type: "service" });
    expect((await client.read(path)).data).toMatchObject({
      data: { "auth-token": "one" },
      metadata: { version: 1, destroyed: false, deletion_time: "" },
    });
    expect((await client.list("secret/metadata")).data).toEqual({ keys: ["providers/"] });
    expect((await client["tokenRenewSelf"]()).auth.lease_duration).toBe(2_764_800);
  });

  describe("its KV v2 engine", () => {
    it("answers in the envelope of Vault, or in that of OpenBao", async () => {
      const openBao = await start({ flavour: "openbao" });
      for (const of of [vault, openBao]) {
        of.kv.put("providers/twilio", { a: "1" });
        const { body, headers } = await call(path, { token: of.tokens.issue({ ttlSeconds: 0 }), of });
        const { data, request_id, ...rest } = body;
        expect(rest).toEqual({
          lease_id: "",
          renewable: false,
          lease_duration: 0,
          wrap_info: null,
          warnings: null,
          auth: null,
          ...(of === vault && { mount_type: "kv" }),
        });
        expect(data.metadata.created_time).toBe("2026-11-22T12:00:00.000000000Z");
        expect(headers.get("cache-control")).toBe("no-store");
      }
    });

    it("numbers versions and keeps the old ones", async () => {
      const token = root();
      for (const a of ["1", "2"]) vault.kv.put("providers/twilio", { a });
      expect((await call(path, { token })).body.data).toMatchObject({
        data: { a: "2" },
        metadata: { version: 2 },
      });
      expect((await call(`${path}?version=1`, { token })).body.data.data).toEqual({ a: "1" });
      const { data } = (await call(metadataPath, { token })).body;
      expect(data).toMatchObject({ current_version: 2, cas_required: false });
      expect(Object.keys(data.versions)).toEqual(["1", "2"]);
    });

    it("writes only over the version that was expected", async () => {
      const token = root();
      const write = (cas: number) => call(path, { token, body: { data: { a: "1" }, options: { cas } } });
      expect((await write(0)).body.data.version).toBe(1);
      expect(await write(0)).toMatchObject({ status: 400 });
      expect((await write(1)).body.data.version).toBe(2);
      expect(await call(path, { token, body: {} })).toMatchObject({
        status: 400,
        body: errors("no data provided"),
      });
    });

    it("answers 404 with the metadata of a version that was deleted or destroyed, and without for none", async () => {
      const token = root();
      expect(await call(path, { token })).toMatchObject({ status: 404, body: errors() });
      vault.kv.put("providers/twilio", { a: "1" });
      vault.kv.delete("providers/twilio");
      const deleted = await call(path, { token });
      expect(deleted.status).toBe(404);
      expect(deleted.body.data).toMatchObject({ data: null, metadata: { destroyed: false, version: 1 } });
      expect(deleted.body.data.metadata.deletion_time).not.toBe("");
      vault.kv.undelete("providers/twilio");
      expect((await call(path, { token })).status).toBe(200);
      vault.kv.destroy("providers/twilio");
      expect((await call(path, { token })).body.data).toMatchObject({
        data: null,
        metadata: { destroyed: true },
      });
    });

    it("answers 404 for what is not mounted, once the policy allows it", async () => {
      vault.condition.policy = ["*"];
      const answer = await call("other/data/a", { token: root() });
      expect(answer).toMatchObject({
        status: 404,
        body: errors('no handler for route "other/data/a". route entry not found.'),
      });
    });
  });

  describe("its tokens", () => {
    it("end with their lease, and the answer tells this from a policy", async () => {
      vault.kv.put("providers/twilio", { a: "1" });
      const token = vault.tokens.issue({ ttlSeconds: 60 });
      timers.advance(59_999);
      expect((await call(path, { token })).status).toBe(200);
      vault.condition.policy = ["secret/metadata/*"];
      expect(await call(path, { token })).toMatchObject({ status: 403, body: errors(policyDenial) });
      timers.advance(1);
      expect(await call(path, { token })).toMatchObject({ status: 403, body: errors(invalidToken) });
      expect(await call(path)).toMatchObject({ status: 403, body: errors("permission denied") });
    });

    it("are renewed up to their maximum life", async () => {
      const token = vault.tokens.issue({ ttlSeconds: 3600, maxTtlSeconds: 5400 });
      const renew = async (body = {}) =>
        (await call("auth/token/renew-self", { token, body })).body.auth.lease_duration;
      expect(await renew()).toBe(3600);
      expect(await renew({ increment: "10m" })).toBe(600);
      timers.advance(590_000);
      expect(await renew()).toBe(3600);
      timers.advance(2_400_000);
      expect(await renew()).toBe(2410);
      expect((await call("auth/token/lookup-self", { token })).body.data).toMatchObject({
        ttl: 2410,
        creation_ttl: 3600,
        explicit_max_ttl: 5400,
        renewable: true,
        type: "service",
      });
    });

    it("cannot be renewed as batch tokens, nor where they are not renewable", async () => {
      const refusal = async (token: string) =>
        (await call("auth/token/renew-self", { token, body: {} })).body.errors[0];
      expect(await refusal(vault.tokens.issue({ ttlSeconds: 60, type: "batch" }))).toBe(
        "batch tokens cannot be renewed",
      );
      expect(await refusal(vault.tokens.issue({ ttlSeconds: 60, renewable: false }))).toBe(
        "lease is not renewable",
      );
    });
  });

  describe("its logins", () => {
    const login = (secret: string) =>
      call("auth/approle/login", { body: { role_id: "role-id", secret_id: secret } });

    it("lock an AppRole out for 15 minutes after five wrong secret ids", async () => {
      expect(await call("auth/approle/login", { body: {} })).toMatchObject({
        status: 500,
        body: errors("1 error occurred:\n\t* missing role_id\n\n"),
      });
      expect(await call("auth/approle/login", { body: { role_id: "role-id" } })).toMatchObject({
        status: 400,
        body: errors("missing secret_id"),
      });
      expect(await call("auth/approle/login")).toMatchObject({ status: 500 });
      for (let count = 0; count < 5; count += 1) {
        expect(await login("other")).toMatchObject({
          status: 400,
          body: errors("invalid role or secret ID"),
        });
      }
      expect(await login("secret-id")).toMatchObject({ status: 403, body: errors("permission denied") });
      timers.advance(15 * 60_000);
      expect((await login("secret-id")).body.auth.metadata).toEqual({ role_name: "signature-router" });
    });

    it("count again from the start after a good one", async () => {
      for (let count = 0; count < 4; count += 1) await login("other");
      expect((await login("secret-id")).status).toBe(200);
      for (let count = 0; count < 4; count += 1) await login("other");
      expect((await login("secret-id")).status).toBe(200);
    });

    it("open a wrapping token once", async () => {
      const token = vault.wrapSecretId("wrapped");
      const unwrap = () => call("sys/wrapping/unwrap", { token, body: {} });
      expect((await unwrap()).body.data.secret_id).toBe("wrapped");
      expect(await unwrap()).toMatchObject({
        status: 400,
        body: errors("wrapping token is not valid or does not exist"),
      });
      expect((await login("wrapped")).status).toBe(200);
    });
  });

  describe("its conditions", () => {
    it("seal everything but health and seal status", async () => {
      expect(await call("sys/health")).toMatchObject({
        status: 200,
        body: { sealed: false, version: "1.21.4" },
      });
      vault.condition.sealed = true;
      expect(await call(path, { token: root() })).toMatchObject({
        status: 503,
        body: errors("Vault is sealed"),
      });
      const health = await call("sys/health");
      expect(health).toMatchObject({ status: 503, body: { sealed: true, initialized: true } });
      expect(health.body).not.toHaveProperty("cluster_id");
      expect((await call("sys/health?sealedcode=299")).status).toBe(299);
      expect((await call("sys/seal-status")).body).toMatchObject({ type: "shamir", sealed: true });
      vault.condition.initialized = false;
      expect((await call("sys/health")).status).toBe(501);
    });

    it("redirect to the active node, set a quota, and ask for the namespace", async () => {
      vault.condition.activeNode = "https://active:8200";
      const redirect = await call(path, { token: root() });
      expect([redirect.status, redirect.headers.get("location")]).toEqual([
        307,
        `https://active:8200/v1/${path}`,
      ]);
      expect((await call("sys/health")).status).toBe(429);
      expect((await call("sys/health?standbyok=true")).status).toBe(200);
      vault.condition.activeNode = undefined;
      vault.condition.overQuota = true;
      expect((await call(path)).status).toBe(429);

      const of = await start({ namespace: "payments" });
      of.kv.put("providers/twilio", { a: "1" });
      const token = of.tokens.issue({ ttlSeconds: 0 });
      expect((await call(path, { token, of })).status).toBe(403);
      expect((await call(path, { token, of, namespace: "payments/" })).status).toBe(200);
    });

    it("are laid out for the next calls to one path", async () => {
      const token = root();
      vault.kv.put("providers/twilio", { a: "1" });
      vault.plan(path, { kind: "reset" });
      vault.plan(path, { kind: "text", status: 502, text: "{}" }, 2);
      vault.plan(path, { kind: "slow", ms: 300 });
      await expect(call(path, { token })).rejects.toThrow("fetch failed");
      expect([await call(path, { token }), await call(path, { token })].map(({ status }) => status)).toEqual([
        502, 502,
      ]);
      const slow = call(path, { token });
      await vault.received(path, 4);
      timers.advance(300);
      expect((await slow).status).toBe(200);
      expect(vault.requestsTo(path).map((request) => request.token)).toEqual(Array(4).fill(token));
    });
  });
});
