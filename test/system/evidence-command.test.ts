import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { KeysFile } from "../../src/config/keys-file.ts";
import { jwks } from "../../src/domain/receipt.ts";
import { SignatureStatus } from "../../src/gen/bank/signature/v1/signature_pb.ts";
import { temporaryDirectory } from "../support/live-installation.ts";
import { program } from "../support/program.ts";
import { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { runTool } from "../support/tool-process.ts";

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** `npm run evidence`, as a process of its own beside the service. */
function evidence(cwd: string, ...args: string[]): Promise<Ended> {
  const env = { PATH: process.env["PATH"] ?? "", DATA_DIR: join(cwd, "data") };
  return new Promise((resolve) => {
    execFile(process.execPath, [...program("evidence"), ...args], { cwd, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code);
      resolve({ code, output: `${stdout}${stderr}`.trim() });
    });
  });
}

describe("npm run evidence", () => {
  const cwd = temporaryDirectory();
  const phoneNumber = aPhoneNumber();
  let router: RouterProcess;
  let id: string;
  let code: string;
  let receipt: string;
  let file: string;

  beforeAll(async () => {
    const env = { DATA_DIR: join(cwd, "data"), SIGNATURE_SWEEP_SECONDS: "0.1" };
    router = await RouterProcess.start({ env, cwd });
    const started = await router.client.startSignature(aStartOf(phoneNumber));
    id = started.signature?.id ?? "";
    const inbox = await fetch(`${router.httpUrl}/inbox/messages.json`);
    code = /(?<![0-9])[0-9]{6}(?= firma)/.exec(await inbox.text())?.[0] ?? "";
    const completed = await router.client.completeSignature({ signatureId: id, code });
    expect(completed.signature?.status).toBe(SignatureStatus.COMPLETED);
    receipt = completed.receipt;
    file = join(cwd, `signature-${id}.json`);
  });

  afterAll(async () => {
    await router[Symbol.asyncDispose]();
    rmSync(cwd, { recursive: true, force: true });
  });

  test("exports a pack beside the running service, which anyone verifies with the published keys", async () => {
    expect(await evidence(cwd, id)).toMatchObject({
      code: 0,
      output: `signature-${id}.json\nsignature-${id}.txt`,
    });
    const pack = JSON.parse(readFileSync(file, "utf8"));
    expect(pack.receipt).toBe(receipt);
    expect(statSync(file).mode & 0o077).toBe(0);
    const keySet = join(cwd, "jwks.json");
    writeFileSync(keySet, JSON.stringify(jwks(new KeysFile(join(cwd, "data/keys.json")).current().receipt)));
    const verified = await evidence(cwd, "verify", file, "--jwks", keySet);
    expect(verified).toMatchObject({
      code: 0,
      output: expect.stringContaining("those that the bank publishes"),
    });
    expect(verified.output).toContain(`fits: signature ${id}, completed`);
    for (const name of [`signature-${id}.json`, `signature-${id}.txt`]) {
      const text = readFileSync(join(cwd, name), "utf8");
      expect(text).not.toContain(phoneNumber.slice(1));
      expect(text).not.toContain(`customer ${phoneNumber}`);
      expect(text).not.toMatch(new RegExp(`(?<![0-9a-zA-Z_-])${code}(?![0-9a-zA-Z_-])`));
    }
  });

  test("names what does not fit, and ends with 1", async () => {
    const changed = join(cwd, "changed.json");
    writeFileSync(changed, readFileSync(file, "utf8").replace("CHALLENGE_SENT", "CHALLENGE_SEEN"));
    expect(await evidence(cwd, "verify", changed)).toEqual({
      code: 1,
      output: expect.stringMatching(/^DOES NOT FIT: event 3 was changed/),
    });
    const foreign = join(cwd, "foreign.json");
    writeFileSync(foreign, '{"keys":[]}');
    const output = expect.stringMatching(
      /^DOES NOT FIT: the key r1 of the pack is not among the published keys/,
    );
    expect(await evidence(cwd, "verify", file, "--jwks", foreign)).toEqual({ code: 1, output });
  });

  test("audits the checkpoints, and works without the service too", async () => {
    const audited = expect.stringMatching(
      /^0 checkpoints over 0 seals, \d+ events of \d+ signatures, all fit$/,
    );
    expect(await evidence(cwd, "audit")).toEqual({ code: 0, output: audited });
    const unknown = "0190b0c0-0000-7000-9000-000000000001";
    const output = "no such signature";
    expect(await evidence(cwd, unknown, "--out", "elsewhere")).toEqual({ code: 1, output });
    expect(existsSync(join(cwd, "elsewhere"))).toBe(false);
    const log = await runTool("admin", ["acts", "--as", "Ana Ruiz"], { DATA_DIR: join(cwd, "data") });
    for (const signatureId of [id, unknown])
      expect(log.said).toMatch(new RegExp(`READ .*unverified.* evidence signature_id=${signatureId}`));
    await router.stop();
    const out = join(cwd, "later");
    expect((await evidence(cwd, id, "--out", out)).code).toBe(0);
    expect(readdirSync(out).sort()).toEqual([`signature-${id}.json`, `signature-${id}.txt`]);
    expect(JSON.parse(readFileSync(join(out, `signature-${id}.json`), "utf8")).receipt).toBe(receipt);
  });
});
