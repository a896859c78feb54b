import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { VaultDouble, type VaultDoubleOptions } from "../../src/sandbox/vault-double.ts";

const path = "secret/data/providers/twilio";
const errors = (...texts: string[]) => ({ errors: texts });

describe("VaultDouble, where servers and mounts differ", () => {
  let vault: VaultDouble;
  const started: VaultDouble[] = [];

  beforeEach(async () => {
    vault = await start();
  });

  afterEach(async () => {
    for (const double of started.splice(0)) await double.close();
  });

  async function start(options: VaultDoubleOptions = {}): Promise<VaultDouble> {
    const double = await VaultDouble.start(options);
    started.push(double);
    return double;
  }

  async function call(
    callPath: string,
    options: { token?: string; body?: object; namespace?: string; of?: VaultDouble },
  ) {
    const { token = "", body, namespace = "", of = vault } = options;
    const response = await fetch(`${of.url}/v1/${callPath}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        ...(token !== "" && { "X-Vault-Token": token }),
        ...(namespace !== "" && { "X-Vault-Namespace": namespace }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: JSON.parse(await response.text()) };
  }

  it("answers a version 2 path of a version 1 mount as if nothing were there, and tells who may read of it", async () => {
    const of = await start({ kvVersion: 1 });
    const token = of.tokens.issue({ ttlSeconds: 0 });
    expect(await call(path, { token, of })).toMatchObject({ status: 404, body: errors() });
    const mount = await call("sys/internal/ui/mounts/secret", { token, of });
    expect(mount.body.data).toMatchObject({ type: "kv", options: { version: "1" } });
    of.condition.policy = ["other/*"];
    expect((await call("sys/internal/ui/mounts/secret", { token, of })).status).toBe(403);
  });

  it("is OpenBao where told: a dead token is refused as a missing one, an unknown namespace is not found", async () => {
    const of = await start({ flavour: "openbao", namespace: "payments" });
    const namespace = "payments";
    const dead = await call(path, { token: "hvs.dead", namespace, of });
    expect(dead).toMatchObject({ status: 403, body: errors("permission denied") });
    expect(await call(path, { token: "hvs.dead", namespace: "other", of })).toMatchObject({ status: 404 });
  });

  it("counts the calls of a token that is good for a few", async () => {
    vault.kv.put("providers/twilio", { a: "1" });
    const token = vault.tokens.issue({ ttlSeconds: 60, numUses: 2 });
    const statuses = [await call(path, { token }), await call(path, { token }), await call(path, { token })];
    expect(statuses.map(({ status }) => status)).toEqual([200, 200, 403]);
  });

  it("refuses a login method that is not mounted as it refuses a call without a token", async () => {
    const of = await start({ kubernetes: false });
    const answer = await call("auth/kubernetes/login", { body: { role: "r", jwt: "j" }, of });
    expect(answer).toMatchObject({ status: 403, body: errors("permission denied") });
  });

  it("names the mount of a login as Vault does, and not as OpenBao", async () => {
    const body = { role_id: "role-id", secret_id: "secret-id" };
    expect((await call("auth/approle/login", { body })).body.mount_type).toBe("approle");
    const of = await start({ flavour: "openbao" });
    expect((await call("auth/approle/login", { body, of })).body).not.toHaveProperty("mount_type");
  });
});
