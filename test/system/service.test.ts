import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InboxMessage } from "../../src/sandbox/inbox-view.ts";
import { failedStart } from "../support/failed-start.ts";
import { grpcError } from "../support/grpc-client.ts";
import { temporaryDirectory } from "../support/live-installation.ts";
import { RouterProcess } from "../support/router-process.ts";
import {
  aPhoneNumber,
  aStartOf,
  challengeStatusName,
  signatureStatusName,
} from "../support/signature-requests.ts";

describe("The sandbox", () => {
  const dataDir = temporaryDirectory();
  const env = { DATA_DIR: dataDir, GRPC_KEEPALIVE_SECONDS: "1" };
  const request = aStartOf(aPhoneNumber());
  let sandbox: RouterProcess;

  beforeAll(async () => {
    sandbox = await RouterProcess.start({ env, cwd: dataDir });
  });

  afterAll(async () => {
    await sandbox?.[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function inbox(to: string | undefined): Promise<InboxMessage[]> {
    const query = new URLSearchParams({ to: to ?? "" });
    const response = await fetch(`${sandbox.httpUrl}/inbox/messages.json?${query}`);
    return ((await response.json()) as { messages: InboxMessage[] }).messages;
  }

  it("starts with nothing configured, and says what it is", () => {
    expect(sandbox.stdout.join("\n")).toMatch(/sandbox/i);
  });

  it("starts a signature, delivers its code to the inbox, and completes it with that code", async () => {
    const { signature } = await sandbox.client.startSignature(request);
    const [message] = await inbox(request.phoneNumber);
    expect(message?.body).toContain("1.250");
    const code = message?.code ?? "";
    const wrong = code === "000000" ? "111111" : "000000";
    const signatureId = signature?.id ?? "";
    const error = await grpcError(sandbox.client.completeSignature({ signatureId, code: wrong }));
    expect(error).toMatchObject({ reason: "CODE_MISMATCH", metadata: { attempts_remaining: "2" } });
    const completed = await sandbox.client.completeSignature({ signatureId, code });
    expect(signatureStatusName(completed.signature?.status)).toBe("COMPLETED");
  });

  it("says the last message of a watch again while nothing changes", async () => {
    const { signature } = await sandbox.client.startSignature(aStartOf(aPhoneNumber()));
    const watch = sandbox.client.watchSignature({ signatureId: signature?.id ?? "" });
    const seen: string[] = [];
    for await (const message of watch) {
      seen.push(JSON.stringify(message.signature?.challenge?.status));
      // Delivery is reported meanwhile; then nothing happens any more.
      if (seen.length > 2 && seen.at(-1) === seen.at(-2)) break;
    }
    expect(seen.length).toBeGreaterThan(2);
  });

  it("says who holds its data to a second start, and goes on", async () => {
    const second = await failedStart(env);
    expect(second.code).toBe(1);
    expect(second.said).toContain(`process ${sandbox.pid} `);
    expect(second.said).toContain("DATA_DIR");
    const { signature } = await sandbox.client.startSignature(aStartOf(aPhoneNumber()));
    expect(challengeStatusName(signature?.challenge?.status)).toBe("SENT");
  });

  it("starts again on its data after a kill -9, and answers a known key with what it made before", async () => {
    const { signature } = await sandbox.client.startSignature(request);
    await sandbox.kill("SIGKILL");
    sandbox.client.close();
    sandbox = await RouterProcess.start({ env, cwd: dataDir });
    const again = await sandbox.client.startSignature(request);
    expect(again).toMatchObject({ replayed: true, signature: { id: signature?.id } });
    expect(signatureStatusName(again.signature?.status)).toBe("COMPLETED");
    expect(await inbox(request.phoneNumber)).toEqual([]);
  });

  it("stops with 0 on SIGTERM, and leaves its database to no live process", async () => {
    await sandbox.stop();
    const live = await failedStart({
      ...env,
      TWILIO_ACCOUNT_SID: `AC${"0".repeat(32)}`,
      TWILIO_AUTH_TOKEN: "token",
      TWILIO_FROM_NUMBER: "+34910000000",
      TWILIO_API_URL: "http://127.0.0.1:9/2010-04-01",
      SIGNATURE_ALLOWED_COUNTRIES: "*",
    });
    expect(live.code).toBe(1);
    expect(live.said).toMatch(/belongs to a sandbox installation, and this process is live/);
  });
});

describe("A start with a bad configuration", () => {
  it("is refused with one message that names every fault, before anything listens", async () => {
    const { code, said, listened } = await failedStart({
      TWILIO_ACCOUNT_SID: `AC${"0".repeat(32)}`,
      TWILIO_TIMEOUT_SECONDS: "soon",
      TWILIO_RETRY_DELAYS_MS: "1,x",
      SIGNATURE_ATTEMPTS: "9",
      DATABASE_URL: "mysql://localhost/",
      PUBLIC_URL: "http://example.com",
      TLS_CERT_FILE: "cert.pem",
    });
    expect({ code, listened }).toEqual({ code: 1, listened: false });
    for (const name of [
      ...["TWILIO_AUTH_TOKEN", "TWILIO_FROM_NUMBER", "TWILIO_TIMEOUT_SECONDS", "TWILIO_RETRY_DELAYS_MS"],
      ...["SIGNATURE_ATTEMPTS", "SIGNATURE_ALLOWED_COUNTRIES", "DATABASE_URL", "PUBLIC_URL", "TLS_KEY_FILE"],
    ]) {
      expect(said).toContain(name);
    }
    expect(said.match(/The configuration has/g)).toHaveLength(1);
  });

  it("is refused for names that nobody reads, whatever Kubernetes injects", async () => {
    const { code, said, listened } = await failedStart({
      SIGNATURE_ATTEMPT: "3",
      TWILIO_TIMEOUT: "5",
      SIGNATURE_ROUTER_SERVICE_HOST: "10.0.0.1",
      SIGNATURE_ROUTER_SERVICE_PORT: "50051",
      SIGNATURE_ROUTER_SERVICE_PORT_GRPC: "50051",
      SIGNATURE_ROUTER_PORT: "tcp://10.0.0.1:50051",
      SIGNATURE_ROUTER_PORT_50051_TCP_ADDR: "10.0.0.1",
      TWILIO_MOCK_PORT_80_TCP: "tcp://10.0.0.2:80",
    });
    expect({ code, listened }).toEqual({ code: 1, listened: false });
    expect(said).toContain("2 faults");
    expect(said).toContain("SIGNATURE_ATTEMPT ");
    expect(said).toContain("TWILIO_TIMEOUT ");
    expect(said).not.toContain("SIGNATURE_ROUTER");
    expect(said).not.toContain("TWILIO_MOCK");
  });

  it("is refused in production where it would be a sandbox", async () => {
    const { code, said, listened } = await failedStart({ NODE_ENV: "production" });
    expect({ code, listened }).toEqual({ code: 1, listened: false });
    expect(said).toMatch(/NODE_ENV=production.*refuses the sandbox/);
  });
});
