import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VaultDouble } from "../../src/sandbox/vault-double.ts";
import { webhookSignature } from "../../src/sandbox/webhook-signature.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { isFree, RouterProcess } from "../support/router-process.ts";
import { readyz } from "../support/service-health.ts";
import {
  aPhoneNumber,
  aStartOf,
  challengeStatusName,
  signatureStatusName,
} from "../support/signature-requests.ts";
import { accountSid, sender } from "../support/twilio-sandbox.ts";

type Ring = { primary: string; keys: Record<string, string> };

const ringNames = ["code-pepper", "phone-seal", "pseudonym", "evidence", "receipt"];
const newKey = () => randomBytes(32).toString("base64");
const loginPath = "auth/approle/login";

describe("Two live replicas with their secrets in Vault", () => {
  /** What Twilio takes, and first what it signs with. */
  let tokens = ["first-token"];
  let rings: Record<string, Ring>;
  let vault: VaultDouble;
  let database: TestDatabase;
  let installation: LiveInstallation;
  /** Sees a new version at once, and one that sees it only when it must. */
  let quick: RouterProcess;
  let slow: RouterProcess;

  const putTwilio = (authToken: string) =>
    vault.kv.put("providers/twilio", {
      "account-sid": accountSid,
      "auth-token": authToken,
      "from-number": sender,
    });

  const fromVault = (pollSeconds: string) => ({
    TWILIO_ACCOUNT_SID: "",
    TWILIO_AUTH_TOKEN: "",
    TWILIO_FROM_NUMBER: "",
    SIGNATURE_KEYS_FILE: "",
    TWILIO_TIMEOUT_SECONDS: "5",
    SIGNATURE_LEASE_SECONDS: "8",
    SIGNATURE_RESEND_SECONDS: "0",
    VAULT_ADDR: vault.url,
    VAULT_ROLE_ID: "role-id",
    VAULT_SECRET_ID: "secret-id",
    VAULT_POLL_SECONDS: pollSeconds,
  });

  beforeAll(async () => {
    vault = await VaultDouble.start();
    rings = Object.fromEntries(ringNames.map((name) => [name, { primary: "k1", keys: { k1: newKey() } }]));
    putTwilio("first-token");
    vault.kv.put("signature-router/keys", rings);
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url, {}, () => tokens);
    [quick, slow] = await Promise.all([
      installation.startReplica(fromVault("0.1")),
      installation.startReplica(fromVault("3600")),
    ]);
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await vault?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  async function start(at: RouterProcess, request = aStartOf(aPhoneNumber())) {
    const { signature, replayed } = await at.client.startSignature(request);
    const status = challengeStatusName(signature?.challenge?.status);
    return { request, to: request.phoneNumber ?? "", id: signature?.id ?? "", status, replayed };
  }

  /** Once with the code of the latest message; it is the same on every replica. */
  async function complete(at: RouterProcess, { id, to }: { id: string; to: string }): Promise<string> {
    const body = installation.double.messagesTo(to).at(-1)?.body ?? "";
    const code = /\b\d{6}\b/.exec(body)?.[0] ?? "";
    const { signature } = await at.client.completeSignature({ signatureId: id, code });
    return signatureStatusName(signature?.status);
  }

  async function delivered({ id }: { id: string }): Promise<string> {
    for await (const { signature } of quick.client.watchSignature({ signatureId: id })) {
      const status = challengeStatusName(signature?.challenge?.status);
      if (status !== "SENT") return status;
    }
    return "";
  }

  /** How a replica answers a receipt of a challenge that it does not know, signed with this token. */
  async function receiptAt(replica: RouterProcess, token: string): Promise<number> {
    const path = `/twilio/status?challenge=${randomUUID()}&attempt=1`;
    const params = { MessageSid: `SM${"a".repeat(32)}`, MessageStatus: "delivered" };
    const url = `${installation.environment()["PUBLIC_URL"]}${path}`;
    const signature = webhookSignature(token, url, new Map(Object.entries(params)));
    const answer = await fetch(`${replica.httpUrl}${path}`, {
      method: "POST",
      headers: { "x-twilio-signature": signature },
      body: new URLSearchParams(params),
    });
    return answer.status;
  }

  /** New keys under new ids beside the old ones, once the quick replica has them and the slow one has not. */
  async function rotate(id: string): Promise<void> {
    for (const ring of Object.values(rings)) {
      ring.keys[id] = newKey();
      ring.primary = id;
    }
    const version = vault.kv.put("signature-router/keys", rings);
    await quick.line(`keys ${version}`);
  }

  it("start and complete signatures", async () => {
    const started = await start(slow);
    expect(started.status).toBe("SENT");
    expect(await complete(quick, started)).toBe("COMPLETED");
    expect(vault.requestsTo(loginPath)).toHaveLength(2);
  });

  it("complete what was started before a rotation of every key, and what the other one started after it", async () => {
    const before = [await start(quick), await start(slow), await start(quick)] as const;
    await rotate("k2");
    const after = await start(quick);
    expect(await complete(slow, after)).toBe("COMPLETED");
    expect(await complete(quick, before[0])).toBe("COMPLETED");
    expect(await complete(slow, before[1])).toBe("COMPLETED");

    await rotate("k3");
    const replayed = await start(quick);
    expect(await start(slow, replayed.request)).toMatchObject({ id: replayed.id, replayed: true });

    await rotate("k4");
    const resent = await start(quick);
    const { signature } = await slow.client.sendChallenge({
      signatureId: resent.id,
      idempotencyKey: "again",
    });
    expect(challengeStatusName(signature?.challenge?.status)).toBe("SENT");
    expect(installation.double.messagesTo(resent.to)).toHaveLength(2);
    for (const [at, one] of [
      [quick, before[2]],
      [slow, replayed],
      [slow, resent],
    ] as const) {
      expect(await complete(at, one)).toBe("COMPLETED");
    }
  });

  it("go over to a new Twilio token without a failed signature, and take receipts signed with either", async () => {
    const version = putTwilio("second-token");
    await quick.line(`twilio ${version}`);
    tokens = ["first-token", "second-token"];
    const both = [await start(quick), await start(slow), await start(quick), await start(slow)];
    expect(await Promise.all(both.map(delivered))).toEqual(Array(4).fill("DELIVERED"));

    tokens = ["second-token"];
    const refused = installation.double.counts.unauthorized;
    const reads = vault.requestsTo("secret/data/providers/twilio").length;
    const started = await Promise.all(Array.from({ length: 5 }, () => start(slow)));
    expect(started.map(({ status }) => status)).toEqual(Array(5).fill("SENT"));
    expect(installation.double.counts.unauthorized - refused).toBeGreaterThan(0);
    expect(installation.double.counts.unauthorized - refused).toBeLessThanOrEqual(5);
    expect(vault.requestsTo("secret/data/providers/twilio").length).toBeGreaterThan(reads);
    const afterwards = installation.double.counts.unauthorized;
    const later = [await start(slow), await start(quick)];
    expect(installation.double.counts.unauthorized).toBe(afterwards);
    const all = [...started, ...later];
    expect(await Promise.all(all.map(delivered))).toEqual(Array(all.length).fill("DELIVERED"));
  });

  it("take a receipt signed with a token that they have not heard of yet, and none that is forged", async () => {
    const version = putTwilio("third-token");
    tokens = ["third-token", "second-token"];
    expect(await receiptAt(slow, "third-token")).toBe(204);
    expect(await receiptAt(slow, "second-token")).toBe(204);
    expect(await receiptAt(slow, "forged")).toBe(403);
    await Promise.all([quick, slow].map((replica) => replica.line(`twilio ${version}`)));
  });

  it("never take over another key under an id they know", async () => {
    const started = await start(quick);
    const pepper = rings["code-pepper"] as Ring;
    const broken = { ...rings, "code-pepper": { ...pepper, keys: { ...pepper.keys, k4: newKey() } } };
    vault.kv.put("signature-router/keys", broken);
    await quick.line("vault degraded");
    expect((await readyz(quick.opsUrl)).checks["secrets"]).toMatchObject({
      state: "degraded",
      detail: "stale",
    });
    expect(await complete(quick, started)).toBe("COMPLETED");
    expect(await complete(slow, await start(quick))).toBe("COMPLETED");
    vault.kv.put("signature-router/keys", rings);
    await quick.line("recovered");
    expect((await readyz(quick.opsUrl)).checks["secrets"]?.state).toBe("ok");
  });

  it("serve on while Vault is sealed, degraded; a start waits for it, and serves once it is unsealed", async () => {
    const before = Date.now();
    vault.condition.sealed = true;
    await quick.line('"sealed"');
    const sealed = await readyz(quick.opsUrl);
    expect(sealed).toMatchObject({ status: 200, ready: true });
    expect(sealed.checks["secrets"]).toMatchObject({ state: "degraded", detail: "sealed" });
    expect(Date.parse(sealed.checks["secrets"]?.since ?? "")).toBeGreaterThanOrEqual(before);
    const metrics = await (await fetch(`${quick.opsUrl}/metrics`)).text();
    expect(metrics).toMatch(/^signature_check\{[^}]*check="secrets",state="degraded"[^}]*\} 1$/m);
    expect(await complete(slow, await start(quick))).toBe("COMPLETED");

    const logins = vault.requestsTo(loginPath).length;
    const env = installation.environment(fromVault("3600"));
    await using late = await RouterProcess.spawn({ env, cwd: installation.directory });
    await vault.received(loginPath, logins + 1);
    expect(await isFree(Number(late.grpcAddress.split(":")[1]))).toBe(true);
    vault.condition.sealed = false;
    await late.line('"service":"ops"');
    expect(await readyz(late.opsUrl)).toMatchObject({ status: 200, ready: true });
  });

  it("log in again where OpenBao revoked the token, and use the Twilio token that was written meanwhile", async () => {
    await using bao = await VaultDouble.start({ flavour: "openbao" });
    const put = (authToken: string) =>
      bao.kv.put("providers/twilio", {
        ...{ "account-sid": accountSid, "auth-token": authToken, "from-number": sender },
      });
    bao.kv.put("signature-router/keys", rings);
    put("third-token");
    const replica = await installation.startReplica({ ...fromVault("3600"), VAULT_ADDR: bao.url });
    bao.tokens.revokeAll();
    put("fourth-token");
    tokens = ["fourth-token"];
    expect((await start(replica)).status).toBe("SENT");
    expect(bao.requestsTo(loginPath)).toHaveLength(2);
    expect((await readyz(replica.opsUrl)).checks["secrets"]?.state).toBe("ok");
    tokens = ["fourth-token", "third-token"];
  });

  it("name path and field of what is not valid in Vault, and the cure in /readyz", async () => {
    const version = putTwilio("");
    await quick.line("auth-token");
    expect((await readyz(quick.opsUrl)).checks["secrets"]).toMatchObject({
      ...{ state: "degraded", detail: "stale" },
      cure: expect.stringContaining("see the log for path and field"),
    });
    putTwilio("third-token");
    await quick.line(`twilio ${version + 1}`);
  });

  it("say why they cannot start where Vault refuses them, and nothing of what they tried", async () => {
    const env = installation.environment({ ...fromVault("60"), VAULT_SECRET_ID: "a wrong secret id" });
    const { code, said, listened } = await failedStart(env);
    expect({ code, listened }).toEqual({ code: 1, listened: false });
    expect(said).toMatch(/Vault/);
    expect(said).not.toMatch(/unexpected|a wrong secret id|\bat \S+:\d+/);
  });
});
