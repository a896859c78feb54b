import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { copyOf } from "../../src/domain/checkpoint-sink.ts";
import { openCheckpointSinks } from "../../src/main/checkpoint-sinks.ts";
import { checkTimeStamp } from "../../src/sinks/time-stamp-check.ts";
import { grantedToken, timeStampRequest } from "../../src/sinks/time-stamp-request.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { answerOf, forTimeStamps, TsaDouble } from "../support/tsa-double.ts";

const tsa = new TsaDouble();
const foreign = new CertificateAuthority("Foreign CA");
afterAll(() => {
  tsa[Symbol.dispose]();
  foreign[Symbol.dispose]();
});
afterEach(() => {
  tsa.faults = {};
  tsa.instead = undefined;
});

const day = "2026-11-22";
const copy = copyOf({
  ...{ day, seals: 3, digest: Buffer.alloc(32, 1), previous: Buffer.alloc(32) },
  ...{ keyId: "r1", signature: Buffer.alloc(64) },
});
const digest = Buffer.from(copy.hash, "hex");
const nonce = Buffer.alloc(16, 0x51);
const anchors = [new X509Certificate(tsa.ca.cert)];
const never = new AbortController().signal;
let url = "";
beforeAll(async () => {
  url = await tsa.listen();
});

async function deliver(signal = never): Promise<Buffer> {
  const [sink] = openCheckpointSinks({
    sinks: [`rfc3161+${url}`],
    headersFile: undefined,
    tsaCaFile: tsa.ca.certFile,
  });
  const delivery = await sink?.deliver(copy, signal);
  if (typeof delivery !== "object") throw new Error("there is no token");
  return Buffer.from(delivery.token);
}

const issue = (name: string, extensions: string, authority = tsa.ca, days = 2) =>
  authority.issue(name, "DNS:tsa.example", days, "ec", extensions);

describe("a time-stamp authority", () => {
  test("gets the digest alone, and its token is kept", async () => {
    const before = Date.now();
    const token = await deliver();
    expect(tsa.queries.at(-1)?.headers["content-type"]).toBe("application/timestamp-query");
    expect(tsa.queries.at(-1)?.body.includes(digest)).toBe(true);
    expect(checkTimeStamp(token, { day, digest }, anchors).getTime()).toBeGreaterThanOrEqual(before - 1000);
    tsa.faults = { status: 1 };
    await deliver();
  });

  test("may sign with RSA", async () => {
    tsa.faults = { signer: tsa.ca.issue("rsa", "DNS:tsa.example", 2, "rsa:2048", forTimeStamps) };
    expect((await deliver()).length).toBeGreaterThan(100);
  });

  test.each<[string, string, () => TsaDouble["faults"]]>([
    ["a rejection", "TSA_REJECTED", () => ({ status: 2 })],
    ["waiting", "TSA_REJECTED", () => ({ status: 3 })],
    ["another nonce", "WRONG_NONCE", () => ({ nonce })],
    ["another imprint", "WRONG_IMPRINT", () => ({ imprint: Buffer.alloc(32, 9) })],
    ["a forged signature", "WRONG_SIGNATURE", () => ({ forged: true })],
    ["the certificate of another one", "WRONG_SIGNATURE", () => ({ named: foreign.cert })],
    [
      "another purpose",
      "WRONG_PURPOSE",
      () => ({ signer: issue("server", "extendedKeyUsage=critical,serverAuth") }),
    ],
    [
      "a purpose beside it",
      "WRONG_PURPOSE",
      () => ({ signer: issue("both", "extendedKeyUsage=critical,timeStamping,serverAuth") }),
    ],
    [
      "a purpose that is not critical",
      "WRONG_PURPOSE",
      () => ({ signer: issue("mild", "extendedKeyUsage=timeStamping") }),
    ],
    ["no purpose", "WRONG_PURPOSE", () => ({ signer: issue("none", "") })],
    [
      "a key that may not sign",
      "WRONG_PURPOSE",
      () => ({ signer: issue("usage", "extendedKeyUsage=critical,timeStamping\nkeyUsage=keyEncipherment") }),
    ],
    ["a foreign authority", "FOREIGN_AUTHORITY", () => ({ signer: issue("f", forTimeStamps, foreign) })],
    [
      "a critical extension that is not known",
      "FOREIGN_AUTHORITY",
      () => ({ signer: issue("odd", `${forTimeStamps}\n1.2.3.4=critical,ASN1:NULL`) }),
    ],
    [
      "an expired certificate",
      "CERTIFICATE_NOT_VALID",
      () => ({ signer: issue("e", forTimeStamps, tsa.ca, -1) }),
    ],
    [
      "a time behind the certificate's",
      "CERTIFICATE_NOT_VALID",
      () => ({ at: new Date(Date.now() + 10 * 86_400_000) }),
    ],
  ])("is refused with %s: %s", async (_, code, faults) => {
    tsa.faults = faults();
    await expect(deliver()).rejects.toMatchObject({ name: "TimeStampFault", code });
  });

  test("is refused with garbage, with too much, with 500, and where it is silent", async () => {
    tsa.instead = (response) => void response.end("<html>");
    await expect(deliver()).rejects.toMatchObject({ code: "NOT_A_TOKEN" });
    tsa.instead = (response) => void response.end(Buffer.alloc(100_000, 0x30));
    await expect(deliver()).rejects.toMatchObject({ code: "NOT_A_TOKEN" });
    tsa.instead = (response) => void response.writeHead(500).end();
    await expect(deliver()).rejects.toThrow("answered 500");
    const stopped = new AbortController();
    tsa.instead = () => stopped.abort();
    await expect(deliver(stopped.signal)).rejects.toMatchObject({ name: "AbortError" });
  });

  test("no changed byte of a token gives another time, or another kind of error", async () => {
    const token = await deliver();
    const info = checkTimeStamp(token, { day, digest }, anchors).getTime();
    const changed = [...token.keys()].flatMap((index) => {
      const copied = Buffer.from(token);
      copied[index]! ^= 1;
      try {
        return [checkTimeStamp(copied, { day, digest }, anchors).getTime()];
      } catch (error) {
        expect(error).toMatchObject({ name: "TimeStampFault" });
        return [];
      }
    });
    expect(changed.filter((time) => time !== info)).toEqual([]);
  });

  test("must stamp after the day, and its checkpoint alone", async () => {
    const token = await deliver();
    expect(() => checkTimeStamp(token, { day: "2036-01-01", digest }, anchors)).toThrow("end of the day");
    expect(() => checkTimeStamp(token, { day, digest: Buffer.alloc(32) }, anchors)).toThrow("something else");
  });
});

test("the authorities that are trusted must be there at the start", () => {
  const open = (tsaCaFile: string) =>
    openCheckpointSinks({ sinks: [`rfc3161+${url}`], headersFile: undefined, tsaCaFile });
  expect(() => open("/none.pem")).toThrow(/SIGNATURE_CHECKPOINT_TSA_CA_FILE: \/none.pem does not exist/);
  expect(() => open(tsa.signer.keyFile)).toThrow(/no certificate in PEM/);
});

describe("held against openssl ts", () => {
  const at = (name: string) => join(tsa.ca.directory, name);
  const openssl = (...args: string[]) =>
    execFileSync("openssl", ["ts", ...args], { stdio: "pipe" }).toString();

  test("openssl takes our request and our double's token", async () => {
    const request = timeStampRequest(digest, nonce);
    writeFileSync(at("query.tsq"), request);
    writeFileSync(at("answer.tsr"), answerOf(request, tsa.signer));
    expect(openssl("-query", "-in", at("query.tsq"), "-text")).toMatch(
      /sha256(.|\n)*Certificate required: yes/,
    );
    const verified = openssl(
      ...["-verify", "-queryfile", at("query.tsq"), "-in", at("answer.tsr"), "-CAfile", tsa.ca.certFile],
    );
    expect(verified).toContain("Verification: OK");
    writeFileSync(at("token.tst"), await deliver());
    expect(
      openssl(
        ...["-verify", "-digest", copy.hash, "-in", at("token.tst"), "-token_in", "-CAfile", tsa.ca.certFile],
      ),
    ).toContain("Verification: OK");
  });

  test.each(["sha1", "sha256", "sha512"])("openssl's token fits, with ESS certificate id %s", (alg) => {
    mkdirSync(at(alg));
    writeFileSync(at(`${alg}/serial`), "01\n");
    writeFileSync(
      at(`${alg}/tsa.cnf`),
      [
        ...[
          "[tsa]",
          "default_tsa = one",
          "[one]",
          `serial = ${at(`${alg}/serial`)}`,
          "default_policy = 1.2.3.4.1",
        ],
        ...["digests = sha256", "signer_digest = sha256", `ess_cert_id_alg = ${alg}`, "accuracy = secs:1"],
        ...[
          `signer_cert = ${tsa.signer.certFile}`,
          `signer_key = ${tsa.signer.keyFile}`,
          "crypto_device = builtin",
        ],
        ...[`certs = ${tsa.ca.certFile}`, "tsa_name = yes", "ess_cert_id_chain = yes"],
      ].join("\n"),
    );
    writeFileSync(at(`${alg}/q.tsq`), timeStampRequest(digest, nonce));
    openssl(
      "-reply",
      "-config",
      at(`${alg}/tsa.cnf`),
      "-queryfile",
      at(`${alg}/q.tsq`),
      "-out",
      at(`${alg}/a.tsr`),
    );
    const token = grantedToken(readFileSync(at(`${alg}/a.tsr`)));
    expect(Date.now() - checkTimeStamp(token, { day, digest, nonce }, anchors).getTime()).toBeLessThan(
      3_600_000,
    );
    const other = createHash("sha256").update("another").digest();
    expect(() => checkTimeStamp(token, { day, digest: other, nonce }, anchors)).toThrow("something else");
    expect(() => checkTimeStamp(token, { day, digest, nonce: other }, anchors)).toThrow("another request");
    expect(() => checkTimeStamp(token, { day, digest }, [new X509Certificate(foreign.cert)])).toThrow(
      "trusted",
    );
  });
});
