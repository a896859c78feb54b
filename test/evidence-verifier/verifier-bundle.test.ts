import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { bundleVerifier } from "../../.deploy/bundle.ts";
import { packFile } from "../../src/domain/evidence-pack.ts";
import { evidenceText } from "../../src/domain/evidence-text.ts";
import { checkpointHash } from "../../src/domain/seal-statement.ts";
import { grantedToken, timeStampRequest } from "../../src/sinks/time-stamp-request.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { aPack, receiptKey } from "../support/evidence-pack.ts";
import { signPack } from "../support/signing.ts";
import { answerOf, forTimeStamps } from "../support/tsa-double.ts";

// Far from node_modules: what is not in the file is not there.
const folder = mkdtempSync(join(tmpdir(), "signature-router-verify-"));
afterAll(() => rmSync(folder, { recursive: true }));
const pack = await aPack();

beforeAll(() => bundleVerifier(join(folder, "verify.mjs")));

async function verify(...args: string[]) {
  const run = promisify(execFile)(process.execPath, ["verify.mjs", ...args], { cwd: folder, env: {} });
  return await run.then(
    ({ stdout }) => ({ code: 0, stdout }),
    (error: { code: number; stdout: string }) => ({ code: error.code, stdout: error.stdout }),
  );
}

test("it checks time stamps, too", async () => {
  const ca = new CertificateAuthority("TSA CA");
  onTestFinished(() => ca[Symbol.dispose]());
  const signer = ca.issue("tsa", "DNS:tsa.example", 2, "ec", forTimeStamps);
  const checkpoints = pack.checkpoints.map((checkpoint) => {
    const bytes = (hex: string) => Buffer.from(hex, "hex");
    const { digest, previous } = checkpoint;
    const hash = checkpointHash({ ...checkpoint, digest: bytes(digest), previous: bytes(previous) });
    const token = grantedToken(answerOf(timeStampRequest(hash, Buffer.of(0x51)), signer)).toString("hex");
    return { ...checkpoint, timestamps: [{ sink: "rfc3161+https://tsa.example/", token }] };
  });
  const stamped = signPack({ ...pack, checkpoints }, receiptKey);
  writeFileSync(join(folder, "stamped.json"), packFile(stamped));
  const checked = await verify("stamped.json", "--tsa-ca", ca.certFile);
  expect(checked).toEqual({ code: 0, stdout: expect.stringMatching(/existed at \S+Z, says rfc3161/) });
  expect((await verify("stamped.json")).stdout).toContain("time stamps present, not checked");
  const foreign = new CertificateAuthority("Foreign CA");
  onTestFinished(() => foreign[Symbol.dispose]());
  expect((await verify("stamped.json", "--tsa-ca", foreign.certFile)).code).toBe(1);
  expect((await verify("stamped.json", "--tsa")).code).toBe(2);
});

test("a pack is checked by one file, which imports Node's own modules alone", async () => {
  const code = readFileSync(join(folder, "verify.mjs"), "utf8");
  const imports = [...code.matchAll(/^import .* from "([^"]+)";$/gm)].map(([, name]) => name);
  expect(imports.length).toBeGreaterThan(0);
  expect(imports.filter((name) => !name?.startsWith("node:"))).toEqual([]);
  writeFileSync(join(folder, "pack.json"), packFile(pack));
  writeFileSync(join(folder, "pack.txt"), evidenceText(pack));
  writeFileSync(join(folder, "jwks.json"), JSON.stringify({ keys: pack.keys }));
  const fits = await verify("pack.json", "jwks.json");
  expect(fits).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^fits: .*(\n.*)*the text beside it.*\n.*publishes\n$/),
  });
  writeFileSync(join(folder, "pack.json"), packFile(pack).toString().replace("+34 ***", "+44 ***"));
  expect((await verify("pack.json")).code).toBe(1);
  expect((await verify()).code).toBe(2);
});
