import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryDirectory } from "./support/live-installation.ts";
import { RouterProcess } from "./support/router-process.ts";

const program = new URL("../src/try.ts", import.meta.url).pathname;
const nowhere = "127.0.0.1:1";

/** What `npm run try -- OPTIONS` prints and ends with. */
async function tried(...options: string[]) {
  const env = { ...process.env, NO_COLOR: "1" };
  const run = promisify(execFile)(process.execPath, [program, ...options], { env });
  return run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
      code,
      stdout,
      stderr,
    }),
  );
}

describe("npm run try", () => {
  const dataDir = temporaryDirectory();
  let sandbox: RouterProcess;

  beforeAll(async () => {
    sandbox = await RouterProcess.start({ env: { DATA_DIR: dataDir }, cwd: dataDir });
  });

  afterAll(async () => {
    await sandbox?.[Symbol.asyncDispose]();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("walks through a signature, and shows the message, the wrong code, the right one and the timeline", async () => {
    const { code, stdout, stderr } = await tried(sandbox.grpcAddress, "--inbox", sandbox.httpUrl);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const steps = [
      ["→ StartSignature", "← OK", "SIGNATURE_STATUS_CHALLENGE_SENT"],
      ["✉ Message to +34600000001", "1.250,50 EUR"],
      ["→ CompleteSignature", "← FAILED_PRECONDITION", "CODE_MISMATCH", "attempts_remaining=2"],
      ["→ CompleteSignature", "← OK", "SIGNATURE_STATUS_COMPLETED"],
      ["→ GetSignature", "← OK", "SIGNATURE_STARTED", "CODE_REJECTED", "SIGNATURE_COMPLETED"],
    ];
    let at = 0;
    for (const text of steps.flat()) {
      expect(stdout.slice(at), `after ${stdout.slice(0, at)}`).toContain(text);
      at = stdout.indexOf(text, at) + text.length;
    }
  });

  it("says what the service refuses, and ends with 1", async () => {
    const refused = await tried(sandbox.grpcAddress, "--inbox", sandbox.httpUrl, "--phone", "+34600009211");
    expect(refused).toMatchObject({ code: 1, stderr: "" });
    expect(refused.stdout).toMatch(/← FAILED_PRECONDITION {2}PROVIDER_REJECTED .*provider_error_code=21211/);
  });

  it("sends nothing to a number that nobody gave where no sandbox answers", async () => {
    const { code, stdout, stderr } = await tried(sandbox.grpcAddress, "--inbox", `http://${nowhere}`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("--phone");
  });

  it("says how to start the service where none answers", async () => {
    const { code, stderr } = await tried(nowhere);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `Nothing answers at ${nowhere}. Start the service with: npm start\n`,
    });
  });
});
