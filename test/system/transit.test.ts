import { randomBytes } from "node:crypto";
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VaultDouble } from "../../src/sandbox/vault-double.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { grpcError } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf, signatureStatusName } from "../support/signature-requests.ts";
import { accountSid, authToken, sender } from "../support/twilio-sandbox.ts";

const signPath = "transit/sign/signature-receipts";
const ring = () => ({ primary: "k1", keys: { k1: randomBytes(32).toString("base64") } });

describe("A service whose signing key and pepper are in Transit, and nowhere else", () => {
  let vault: VaultDouble;
  let database: TestDatabase;
  let installation: LiveInstallation;
  let replica: RouterProcess;

  beforeAll(async () => {
    vault = await VaultDouble.start();
    vault.kv.put("providers/twilio", {
      "account-sid": accountSid,
      "auth-token": authToken,
      "from-number": sender,
    });
    const rings = { "phone-seal": ring(), pseudonym: ring(), evidence: ring() };
    vault.kv.put("signature-router/keys", rings);
    vault.transit.create("signature-receipts", "ed25519");
    vault.transit.create("signature-codes", "hmac");
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url);
    replica = await installation.startReplica(environment());
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await vault?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
  });

  const environment = () => ({
    TWILIO_ACCOUNT_SID: "",
    TWILIO_AUTH_TOKEN: "",
    TWILIO_FROM_NUMBER: "",
    SIGNATURE_KEYS_FILE: "",
    VAULT_ADDR: vault.url,
    VAULT_ROLE_ID: "role-id",
    VAULT_SECRET_ID: "secret-id",
    VAULT_POLL_SECONDS: "0.1",
    VAULT_TRANSIT_RECEIPT_KEY: "signature-receipts",
    VAULT_TRANSIT_CODE_KEY: "signature-codes",
  });

  async function started() {
    const to = aPhoneNumber();
    const { signature } = await replica.client.startSignature(aStartOf(to));
    const body = installation.double.messagesTo(to).at(-1)?.body ?? "";
    return { signatureId: signature?.id ?? "", code: /\b\d{6}\b/.exec(body)?.[0] ?? "" };
  }

  async function keyOf(receipt: string): Promise<string | undefined> {
    const answer = await fetch(`${replica.opsUrl}/.well-known/jwks.json`);
    const published = createLocalJWKSet((await answer.json()) as JSONWebKeySet);
    const { protectedHeader } = await compactVerify(receipt, published, { algorithms: ["EdDSA"] });
    return protectedHeader.kid;
  }

  it("gives receipts that verify by what it publishes, before and after a rotation", async () => {
    const { receipt } = await replica.client.completeSignature(await started());
    expect(await keyOf(receipt)).toBe("transit:signature-receipts:v1");
    vault.transit.rotate("signature-receipts");
    const reads = vault.requestsTo("transit/keys/signature-receipts").length;
    await vault.received("transit/keys/signature-receipts", reads + 2);
    const later = await replica.client.completeSignature(await started());
    expect(await keyOf(later.receipt)).toBe("transit:signature-receipts:v2");
    expect(await keyOf(receipt)).toBe("transit:signature-receipts:v1");
  });

  it("refuses starts and completions while Vault is away, and consumes nothing", async () => {
    const command = await started();
    await vault.goDown();
    const refused = { reason: "SERVICE_UNAVAILABLE" };
    expect(await grpcError(replica.client.completeSignature(command))).toMatchObject(refused);
    expect(await grpcError(replica.client.startSignature(aStartOf(aPhoneNumber())))).toMatchObject(refused);
    await vault.comeBack();
    const { signature } = await replica.client.completeSignature(command);
    expect(signatureStatusName(signature?.status)).toBe("COMPLETED");
  });

  it("completes while signing fails, and has the receipt once it works again", async () => {
    const command = await started();
    const sealed = { status: 503, body: { errors: ["Vault is sealed"] } };
    vault.plan(signPath, { kind: "answer", answer: sealed }, 3);
    const { signature, receipt } = await replica.client.completeSignature(command);
    expect([signatureStatusName(signature?.status), receipt]).toEqual(["COMPLETED", ""]);
    const history = () => replica.client.getSignature({ signatureId: command.signatureId });
    await expect.poll(async () => (await history()).receipt, { timeout: 10_000 }).not.toBe("");
    expect(await keyOf((await history()).receipt)).toBe("transit:signature-receipts:v2");
  });

  it("says what to do where the key is not there", async () => {
    const { code, said } = await failedStart(
      installation.environment({ ...environment(), VAULT_TRANSIT_RECEIPT_KEY: "nothing" }),
    );
    expect(code).toBe(1);
    expect(said).toMatch(/vault write -f transit\/keys\/nothing type=ed25519/);
  });
});
