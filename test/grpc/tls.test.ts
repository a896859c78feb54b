import { once } from "node:events";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import tls from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { parseCallersFile } from "../../src/grpc/callers-file.ts";
import type { HandshakeFailure } from "../../src/grpc/handshake-failure.ts";
import { checkCertificates, type TlsCertificates, tlsFiles } from "../../src/grpc/tls-files.ts";
import { type CertificateAndKey, CertificateAuthority } from "../support/certificates.ts";
import { grpcClient, grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";

const callers = parseCallersFile(
  JSON.stringify({ callers: [{ name: "payments", san: ["DNS:payments.bank"], methods: ["*"] }] }),
);

let authority: CertificateAuthority;
let otherAuthority: CertificateAuthority;
let server: CertificateAndKey;
let newServer: CertificateAndKey;
let rsaServer: CertificateAndKey;
let expired: CertificateAndKey;
let client: CertificateAndKey;
let otherClient: CertificateAndKey;

beforeAll(() => {
  authority = new CertificateAuthority();
  otherAuthority = new CertificateAuthority("Other CA");
  server = authority.issue("server", "DNS:localhost,IP:127.0.0.1");
  newServer = authority.issue("new-server", "DNS:localhost,IP:127.0.0.1");
  rsaServer = authority.issue("rsa-server", "DNS:localhost,IP:127.0.0.1", 2, "rsa:2048");
  expired = authority.issue("expired", "DNS:localhost", -1);
  client = authority.issue("payments", "DNS:payments.bank");
  otherClient = otherAuthority.issue("payments", "DNS:payments.bank");
});
afterAll(() => {
  authority[Symbol.dispose]();
  otherAuthority[Symbol.dispose]();
});

function withTls(): Promise<RunningServer> {
  const certificates = { cert: server.cert, key: server.key, clientCa: authority.cert };
  return runServer({ tls: { certificates, callers: () => callers } });
}

async function start(running: RunningServer, { cert, key }: CertificateAndKey, idempotencyKey: string) {
  const credentials = grpc.credentials.createSsl(
    Buffer.from(authority.cert),
    Buffer.from(key),
    Buffer.from(cert),
  );
  const one = grpcClient(SignatureService, running.address, credentials);
  try {
    return await one.startSignature(aStartRequest({ idempotencyKey }));
  } finally {
    one.close();
  }
}

/** Speaks to the server as far as it lets one, and says how it went. */
async function handshake(running: RunningServer, options: tls.ConnectionOptions) {
  const socket = tls.connect({
    port: running.server.address.port,
    host: "127.0.0.1",
    ca: authority.cert,
    ALPNProtocols: ["h2"],
    ...options,
  });
  const failed = new Promise((resolve) => {
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    socket.once("close", () => resolve("closed"));
  });
  const outcome = await Promise.race([
    failed,
    once(socket, "data").then(() => ({
      protocol: socket.getProtocol(),
      alpn: socket.alpnProtocol,
      server: socket.getPeerCertificate().subject.CN,
    })),
  ]);
  socket.destroy();
  return outcome;
}

describe("mutual TLS", () => {
  it("speaks TLS 1.3 and HTTP/2 with whom it knows", async () => {
    await using running = await withTls();
    const { cert, key } = client;
    expect(await handshake(running, { cert, key })).toEqual({
      protocol: "TLSv1.3",
      alpn: "h2",
      server: "server",
    });
    expect((await start(running, client, "tls-1")).replayed).toBe(false);
  });

  it("speaks TLS 1.2 and refuses 1.1", async () => {
    await using running = await withTls();
    const { cert, key } = client;
    expect(await handshake(running, { cert, key, maxVersion: "TLSv1.2" })).toMatchObject({
      protocol: "TLSv1.2",
    });
    // At security level 0 the client itself is willing, so the alert is the server's.
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    expect(await handshake(running, { cert, key, ...old })).toBe("ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION");
  });

  it("refuses clients without a certificate, and with one of another authority", async () => {
    await using running = await withTls();
    expect(await handshake(running, {})).toBe("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED");
    const { cert, key } = otherClient;
    expect(await handshake(running, { cert, key })).toBe("closed");
  });

  it("takes nothing in clear", async () => {
    await using running = await withTls();
    expect((await grpcError(running.client.startSignature(aStartRequest()))).code).toBe("UNAVAILABLE");
  });

  it("shows new certificates and trusts new authorities without a restart", async () => {
    await using running = await withTls();
    const { cert, key } = client;
    const open = grpcClient(
      SignatureService,
      running.address,
      grpc.credentials.createSsl(Buffer.from(authority.cert), Buffer.from(key), Buffer.from(cert)),
    );
    await open.startSignature(aStartRequest());
    running.server.setTls({ cert: newServer.cert, key: newServer.key, clientCa: otherAuthority.cert });
    const trusted = await handshake(running, { cert: otherClient.cert, key: otherClient.key });
    expect(trusted).toMatchObject({ server: "new-server" });
    expect(await handshake(running, { cert, key })).toBe("closed");
    expect((await open.startSignature(aStartRequest())).replayed).toBe(true);
    open.close();
  });

  it("speaks of TLS 1.2 only what has forward secrecy and AEAD, also after a new certificate", async () => {
    await using running = await withTls();
    const { cert, key } = client;
    const offer = (ciphers: string) =>
      handshake(running, { cert, key, maxVersion: "TLSv1.2", ciphers: `${ciphers}@SECLEVEL=0` });
    // An EC certificate has no static RSA at all, so one of RSA is put in.
    running.server.setTls({ cert: rsaServer.cert, key: rsaServer.key, clientCa: authority.cert });
    for (const weak of [
      ...["AES128-SHA", "AES256-SHA256", "AES128-GCM-SHA256", "AES256-GCM-SHA384"],
      ...["ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256"],
    ]) {
      expect(await offer(weak), weak).toBe("ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE");
    }
    for (const strong of ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305"]) {
      expect(await offer(strong), strong).toMatchObject({ protocol: "TLSv1.2" });
    }
  });

  it("tells why a client did not get through its handshake, and who it was", async () => {
    const failures: HandshakeFailure[] = [];
    let told = Promise.withResolvers<void>();
    const certificates = { cert: server.cert, key: server.key, clientCa: authority.cert };
    await using running = await runServer({
      tls: { certificates, callers: () => callers },
      limits: { handshakeTimeoutMs: 200 },
      onHandshakeFailure(failure) {
        failures.push(failure);
        told.resolve();
      },
    });
    const fails = async (how: () => Promise<unknown>) => {
      told = Promise.withResolvers();
      await Promise.all([how(), told.promise]);
      return failures.at(-1);
    };
    const withCertificate = (certificate: CertificateAndKey, options: tls.ConnectionOptions = {}) => {
      const { cert, key } = certificate;
      return fails(() => handshake(running, { cert, key, ...options }));
    };
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    const address = "127.0.0.1";
    expect(await fails(() => handshake(running, {}))).toMatchObject({ fault: "no_certificate", address });
    const code = "CERT_HAS_EXPIRED";
    expect(await withCertificate(expired)).toEqual({ fault: "certificate_expired", code, address });
    expect(await withCertificate(otherClient)).toMatchObject({ fault: "certificate_untrusted", address });
    expect(await withCertificate(client, old)).toMatchObject({ fault: "protocol_version" });
    expect(await withCertificate(client, { maxVersion: "TLSv1.2", ciphers: "AES128-SHA" })).toMatchObject({
      fault: "cipher",
    });
    expect(await withCertificate(client, { ALPNProtocols: ["http/1.1"] })).toMatchObject({
      fault: "no_http2",
    });
    const plain = (text: string | undefined) =>
      new Promise((resolve) => {
        const socket = connect(running.server.address.port, address, () => {
          if (text !== undefined) socket.write(text);
        });
        socket.on("error", () => undefined).on("close", resolve);
        socket.resume();
      });
    expect(await fails(() => plain("GET / HTTP/1.1\r\n\r\n"))).toMatchObject({ fault: "not_tls" });
    expect(await fails(() => plain(undefined))).toMatchObject({ fault: "timed_out", address });
    expect(failures).toHaveLength(8);
    expect((await start(running, client, "tls-after")).replayed).toBe(false);
  });

  it("cannot be put on a server that began without it", async () => {
    await using running = await runServer();
    expect(() =>
      running.server.setTls({ cert: server.cert, key: server.key, clientCa: authority.cert }),
    ).toThrow("the server does not speak TLS");
  });
});

describe("certificate files", () => {
  let files: { certFile: string; keyFile: string; clientCaFile: string };
  beforeEach(() => {
    const at = (name: string): string => join(authority.directory, name);
    files = { certFile: at("live.pem"), keyFile: at("live.key"), clientCaFile: at("live-ca.pem") };
    copyFileSync(server.certFile, files.certFile);
    copyFileSync(server.keyFile, files.keyFile);
    copyFileSync(authority.certFile, files.clientCaFile);
  });

  function watch() {
    let changed = Promise.withResolvers<TlsCertificates>();
    let fault = Promise.withResolvers<unknown>();
    const faults: unknown[] = [];
    const watched = tlsFiles({
      ...files,
      intervalMs: 5,
      onChange: (certificates) => changed.resolve(certificates),
      onFault: (error) => {
        faults.push(error);
        fault.resolve(error);
      },
    });
    return {
      ...watched,
      faults,
      nextChange: () => changed.promise.finally(() => (changed = Promise.withResolvers())),
      nextFault: () => fault.promise.finally(() => (fault = Promise.withResolvers())),
      [Symbol.dispose]: () => watched.stop(),
    };
  }

  it("are read at once and again when they change; the old pair stays until the new one fits", async () => {
    using watched = watch();
    expect(watched.first).toEqual({ cert: server.cert, key: server.key, clientCa: authority.cert });
    copyFileSync(newServer.certFile, files.certFile);
    expect(String(await watched.nextFault())).toContain(
      "TLS_KEY_FILE: its key is not that of the certificate",
    );
    copyFileSync(newServer.keyFile, files.keyFile);
    const { cert, key } = await watched.nextChange();
    expect({ cert, key }).toEqual({ cert: newServer.cert, key: newServer.key });
    expect(watched.faults).toHaveLength(1);
  });

  it("may be away for a while", async () => {
    using watched = watch();
    rmSync(files.clientCaFile);
    expect(String(await watched.nextFault())).toMatch(/TLS_CLIENT_CA_FILE: .*live-ca\.pem does not exist/);
    copyFileSync(otherAuthority.certFile, files.clientCaFile);
    expect((await watched.nextChange()).clientCa).toBe(otherAuthority.cert);
    expect(watched.faults).toHaveLength(1);
  });

  it("are refused when a certificate is out of date or the authority is none", () => {
    const good = { cert: server.cert, key: server.key, clientCa: authority.cert };
    expect(checkCertificates(good)).toBe(good);
    const faultOf = (change: Partial<TlsCertificates>): string => {
      try {
        checkCertificates({ ...good, ...change });
        return "none";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(faultOf({ cert: expired.cert, key: expired.key })).toMatch(
      /^TLS_CERT_FILE: its certificate expired on \d{4}-\d\d-\d\d$/,
    );
    expect(faultOf({ clientCa: "nonsense" })).toBe("TLS_CLIENT_CA_FILE: holds no certificate in PEM form");
    expect(faultOf({ clientCa: expired.cert })).toBe(
      "TLS_CLIENT_CA_FILE: every certificate in it has expired",
    );
    expect(faultOf({ cert: server.key })).toBe("TLS_CERT_FILE: holds no certificate in PEM form");
    expect(faultOf({ key: server.cert })).toMatch(/^TLS_KEY_FILE: holds no private key/);
    expect(faultOf({ key: client.key })).toMatch(/^TLS_KEY_FILE: its key is not that of the certificate/);
    const broken = authority.cert.replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
    expect(faultOf({ clientCa: broken })).toMatch(/^TLS_CLIENT_CA_FILE: holds a certificate that cannot/);
    expect(faultOf({ clientCa: authority.cert + broken })).toMatch(/^TLS_CLIENT_CA_FILE: /);
  });

  it("must be fit for use at the start", () => {
    writeFileSync(files.keyFile, otherClient.key);
    expect(() => watch()).toThrow("TLS_KEY_FILE: its key is not that of the certificate");
    rmSync(files.keyFile);
    expect(() => watch()).toThrow(/TLS_KEY_FILE: .*live\.key does not exist/);
  });
});
