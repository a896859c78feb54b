import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import tls from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { type CertificateAndKey, CertificateAuthority } from "../support/certificates.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { failedStart } from "../support/failed-start.ts";
import { type GrpcClient, grpcClient, grpcError } from "../support/grpc-client.ts";
import { LiveInstallation, temporaryDirectory } from "../support/live-installation.ts";
import { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";

type Client = GrpcClient<typeof SignatureService>;

describe("A service behind mutual TLS", () => {
  const directory = temporaryDirectory();
  const files = {
    TLS_CERT_FILE: join(directory, "server.pem"),
    TLS_KEY_FILE: join(directory, "server.key"),
    TLS_CLIENT_CA_FILE: join(directory, "ca.pem"),
    CALLERS_FILE: join(directory, "callers.json"),
  };
  const clients: Client[] = [];
  let authority: CertificateAuthority;
  let payments: CertificateAndKey;
  let cards: CertificateAndKey;
  let stranger: CertificateAndKey;
  let database: TestDatabase;
  let installation: LiveInstallation;
  let router: RouterProcess;

  function installServer(name: string): void {
    const { certFile, keyFile } = authority.issue(name, "DNS:localhost,IP:127.0.0.1");
    copyFileSync(certFile, files.TLS_CERT_FILE);
    copyFileSync(keyFile, files.TLS_KEY_FILE);
  }

  function installCallers(methods: Readonly<Record<string, readonly string[]>>): void {
    const callers = Object.entries(methods).map(([name, allowed]) => ({
      ...{ name, san: [`DNS:${name}.bank`], methods: allowed },
    }));
    writeFileSync(files.CALLERS_FILE, JSON.stringify({ callers }));
  }

  function credentialsOf({ cert, key }: CertificateAndKey): grpc.ChannelCredentials {
    return grpc.credentials.createSsl(Buffer.from(authority.cert), Buffer.from(key), Buffer.from(cert));
  }

  function clientOf(certificate?: CertificateAndKey): Client {
    const client = grpcClient(
      SignatureService,
      router.grpcAddress,
      certificate && credentialsOf(certificate),
    );
    clients.push(client);
    return client;
  }

  beforeAll(async () => {
    authority = new CertificateAuthority();
    [payments, cards, stranger] = ["payments", "cards", "stranger"].map((name) =>
      authority.issue(name, `DNS:${name}.bank`),
    ) as [CertificateAndKey, CertificateAndKey, CertificateAndKey];
    copyFileSync(authority.certFile, files.TLS_CLIENT_CA_FILE);
    installServer("first-server");
    installCallers({ payments: ["*"], cards: ["StartSignature", "GetSignature"] });
    database = await createDatabase();
    installation = await LiveInstallation.create(database.url);
    const env = installation.environment({ ...files, GRPC_REFLECTION: "off" });
    router = await RouterProcess.spawn({ env, cwd: installation.directory });
    await router.line('"service":"ops"');
  });

  afterAll(async () => {
    for (const client of clients) client.close();
    await router?.[Symbol.asyncDispose]();
    await installation?.[Symbol.asyncDispose]();
    await database?.[Symbol.asyncDispose]();
    authority?.[Symbol.dispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  it("shows a signature to its caller only, and lets each do what its entry says", async () => {
    const [own, others] = [clientOf(payments), clientOf(cards)];
    const request = aStartOf(aPhoneNumber());
    const { signature } = await own.startSignature(request);
    const signatureId = signature?.id ?? "";
    expect((await own.getSignature({ signatureId })).signature?.id).toBe(signatureId);
    expect(await grpcError(others.getSignature({ signatureId }))).toMatchObject({
      code: "NOT_FOUND",
      reason: "SIGNATURE_NOT_FOUND",
    });
    const theirs = await others.startSignature(request);
    expect(theirs.replayed).toBe(false);
    expect(theirs.signature?.id).not.toBe(signatureId);
    expect(await grpcError(others.abortSignature({ signatureId }))).toMatchObject({
      code: "PERMISSION_DENIED",
      reason: "CALLER_NOT_ALLOWED",
    });
  });

  it("serves nobody else: not a stranger, not without a certificate, not in clear", async () => {
    const get = (client: Client) =>
      grpcError(client.getSignature({ signatureId: "x" }, { deadlineMs: 5000 }));
    expect(await get(clientOf(stranger))).toMatchObject({
      code: "UNAUTHENTICATED",
      reason: "CALLER_UNKNOWN",
    });
    expect((await get(clientOf())).code).toBe("UNAVAILABLE");
    const bare = grpcClient(
      SignatureService,
      router.grpcAddress,
      grpc.credentials.createSsl(Buffer.from(authority.cert)),
    );
    clients.push(bare);
    expect((await get(bare)).code).toBe("UNAVAILABLE");
  });

  it("has no reflection where it is off", async () => {
    const client = new grpc.Client(router.grpcAddress, credentialsOf(payments));
    const bytes = (value: Buffer) => value;
    const { promise, resolve } = Promise.withResolvers<grpc.status | undefined>();
    const path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    client.makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), (error) => resolve(error?.code));
    expect(await promise.finally(() => client.close())).toBe(grpc.status.UNIMPLEMENTED);
  });

  it("takes a new certificate and other callers without a restart", async () => {
    const [once, soon] = [clientOf(payments), clientOf(cards)];
    const { signature } = await soon.startSignature(aStartOf(aPhoneNumber()));
    const signatureId = signature?.id ?? "";
    installServer("second-server");
    installCallers({ cards: ["*"] });
    const reason = async (call: Promise<unknown>) =>
      await call.then(
        () => "OK",
        (error: { reason?: string }) => error.reason,
      );
    const patience = { timeout: 12_000, interval: 200 };
    await expect.poll(() => reason(soon.abortSignature({ signatureId })), patience).toBe("OK");
    // On the connection that it had before.
    expect(await grpcError(once.getSignature({ signatureId }))).toMatchObject({ reason: "CALLER_UNKNOWN" });
    await expect.poll(() => serverName(), patience).toBe("second-server");
  });

  it("shows on its operations endpoint who failed to connect, and how long its certificates live", async () => {
    const address = router.grpcAddress;
    const expired = authority.issue("expired", "DNS:payments.bank", -1);
    const failed = grpcClient(SignatureService, address, credentialsOf(expired));
    clients.push(failed);
    await grpcError(failed.getSignature({ signatureId: "x" }, { deadlineMs: 5000 }));
    await router.line('"reason":"certificate_expired"');
    const metrics = await (await fetch(`${router.opsUrl}/metrics`)).text();
    expect(metrics).toMatch(/^signature_tls_handshake_failures_total\{fault="certificate_expired"\} [1-9]/m);
    const life = /^signature_tls_certificate_life\{certificate="server"\} (\S+)$/m.exec(metrics)?.[1];
    expect(Number(life)).toBeGreaterThan(86_400);
    expect(Number(life)).toBeLessThanOrEqual(2 * 86_400);
  });

  it("goes on with what it has while its files cannot be used, and says which and why", async () => {
    const tlsCheck = async () => {
      const body = (await (await fetch(`${router.opsUrl}/readyz`)).json()) as {
        ready: boolean;
        checks: Record<string, object>;
      };
      return { ready: body.ready, ...body.checks["tls"] };
    };
    const patience = { timeout: 12_000, interval: 200 };
    expect(await tlsCheck()).toMatchObject({ ready: true, state: "ok" });
    copyFileSync(authority.issue("half", "DNS:localhost").keyFile, files.TLS_KEY_FILE);
    const line = await router.line("TLS files not usable");
    expect(line).toContain('"file":"TLS_KEY_FILE"');
    await expect
      .poll(tlsCheck, patience)
      .toMatchObject({ ready: true, state: "degraded", detail: "files_unusable" });
    installServer("third-server");
    await expect.poll(tlsCheck, patience).toMatchObject({ ready: true, state: "ok" });
  });

  it("says what is wrong with its files instead of starting", async () => {
    writeFileSync(
      files.CALLERS_FILE,
      JSON.stringify({ callers: [{ name: "x", san: [], methods: ["Explode"] }] }),
    );
    const { code, said, listened } = await failedStart(installation.environment(files));
    expect({ code, listened }).toEqual({ code: 1, listened: false });
    expect(said).toMatch(/CALLERS_FILE: .*Explode/);
    expect(said).not.toContain("unexpected");
  });

  async function serverName(): Promise<string | undefined> {
    const [host = "", port] = router.grpcAddress.split(":");
    const { cert, key } = cards;
    const socket = tls.connect({
      host,
      port: Number(port),
      ca: authority.cert,
      cert,
      key,
      ALPNProtocols: ["h2"],
      servername: "localhost",
    });
    await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
    const name = socket.getPeerCertificate().subject.CN;
    socket.destroy();
    return String(name);
  }
});
