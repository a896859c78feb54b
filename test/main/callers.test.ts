import { X509Certificate } from "node:crypto";
import { copyFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { FileFault } from "../../src/grpc/file-fault.ts";
import { setUpTls, type TlsSetup, type TlsState } from "../../src/main/callers.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { type CertificateAndKey, CertificateAuthority } from "../support/certificates.ts";

describe("TLS files in use", () => {
  let authority: CertificateAuthority;
  let server: CertificateAndKey;
  let longer: CertificateAndKey;
  let paths: { certFile: string; keyFile: string; clientCaFile: string; callersFile: string };
  beforeAll(() => {
    authority = new CertificateAuthority();
    server = authority.issue("server", "DNS:localhost");
    longer = authority.issue("longer", "DNS:localhost", 30);
    const at = (name: string): string => join(authority.directory, name);
    paths = {
      ...{ certFile: at("tls.crt"), keyFile: at("tls.key"), clientCaFile: at("live-ca.pem") },
      callersFile: at("callers.json"),
    };
  });
  beforeEach(() => {
    copyFileSync(server.certFile, paths.certFile);
    copyFileSync(server.keyFile, paths.keyFile);
    copyFileSync(authority.certFile, paths.clientCaFile);
    writeCallers(["*"]);
  });
  afterAll(() => authority[Symbol.dispose]());

  function writeCallers(methods: string[]): void {
    const callers = [{ name: "payments", san: ["DNS:payments.bank"], methods }];
    writeFileSync(paths.callersFile, JSON.stringify({ callers }));
  }

  /** Waits for what is told, one thing at a time. */
  function watched() {
    const told: (FileFault | TlsState)[] = [];
    let more = Promise.withResolvers<void>();
    const tell = (one: FileFault | TlsState): void => {
      told.push(one);
      more.resolve();
    };
    const clock = new ManualClock();
    const begun = Date.now() - clock.now();
    const now = () => new Date(begun + clock.now());
    const setup: TlsSetup = setUpTls(paths, { onFault: tell, onState: tell }, { clock, now });
    const next = async (): Promise<FileFault | TlsState | undefined> => {
      while (told.length === 0) {
        more = Promise.withResolvers();
        await more.promise;
      }
      return told.shift();
    };
    return { setup, clock, told, next, [Symbol.dispose]: () => setup.stop() };
  }

  it("tell which of them cannot be used and why, until all of them can", async () => {
    using files = watched();
    copyFileSync(longer.certFile, paths.certFile);
    expect(await files.next()).toMatchObject({
      ...{ file: "TLS_KEY_FILE", fault: "its key is not that of the certificate in TLS_CERT_FILE" },
    });
    expect(await files.next()).toBe("files_unusable");
    writeCallers(["Explode"]);
    expect(await files.next()).toMatchObject({
      ...{ file: "CALLERS_FILE", fault: expect.stringContaining("Explode") },
    });
    expect(await files.next()).toBe("files_unusable");
    writeCallers(["GetSignature"]);
    expect(await files.next()).toBe("files_unusable");
    expect([...files.setup.callers().list[0]!.methods]).toEqual(["GetSignature"]);
    copyFileSync(longer.keyFile, paths.keyFile);
    expect(await files.next()).toBe("ok");
  });

  it("tell when the certificates in use run out", async () => {
    using files = watched();
    const end = (pem: string) => new X509Certificate(pem).validToDate;
    const clientCa = end(authority.cert);
    expect(files.setup.expiries()).toEqual({ server: end(server.cert), clientCa });
    writeFileSync(paths.certFile, longer.cert);
    writeFileSync(paths.keyFile, longer.key);
    while ((await files.next()) !== "ok");
    expect(files.setup.expiries()).toEqual({ server: end(longer.cert), clientCa });
  });

  it("tell when a certificate has run out in use, until another is there", async () => {
    using files = watched();
    await files.clock.advance(2 * 86_400_000 - 60_000);
    expect(files.told).toEqual([]);
    await files.clock.advance(70_000);
    expect(await files.next()).toMatchObject({
      ...{ file: "TLS_CERT_FILE", fault: expect.stringContaining("its certificate expired on") },
    });
    expect(await files.next()).toBe("certificate_expired");
    await files.clock.advance(60_000);
    expect(files.told).toEqual([]);
    writeFileSync(paths.certFile, longer.cert);
    writeFileSync(paths.keyFile, longer.key);
    // Others come before where the certificate is read before its key.
    while ((await files.next()) !== "ok");
  });

  it("end the start with file, fault and what to do", () => {
    rmSync(paths.clientCaFile);
    expect(() =>
      setUpTls(paths, { onFault() {}, onState() {} }, { clock: new ManualClock(), now: () => new Date() }),
    ).toThrow(`TLS_CLIENT_CA_FILE: ${paths.clientCaFile} does not exist`);
  });
});
