import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

const module = new URL("../../src/main/scrub-environment.ts", import.meta.url).href;
const program = `
  const { scrubEnvironment } = await import(${JSON.stringify(module)});
  const { readFileSync } = await import("node:fs");
  const { execFileSync } = await import("node:child_process");
  const left = scrubEnvironment(process.env, ["A_SECRET", "EMPTY", "NOT_THERE", "LAST"]);
  const shown = readFileSync("/proc/self/environ", "utf8").split("\\0");
  const child = execFileSync("env", { encoding: "utf8" });
  console.log(JSON.stringify({ left, shown, child, kept: process.env.A_SECRET_TOO, gone: process.env.A_SECRET }));`;

function scrubbed(options: { uid?: number; gid?: number }) {
  const env = {
    PATH: process.env["PATH"] ?? "",
    A_SECRET: "hunter2=höh\nA_SECRET_TOO=x",
    A_SECRET_TOO: "stays",
    EMPTY: "",
    LAST: "hunter3",
  };
  const args = ["--input-type=module", "-e", program];
  return JSON.parse(execFileSync(process.execPath, args, { env, encoding: "utf8", cwd: "/", ...options }));
}

interface User {
  readonly whose: string;
  readonly uid?: number;
  readonly gid?: number;
}

const nobody: User = { whose: "a user without rights", uid: 65_532, gid: 65_532 };
const users: User[] = [{ whose: "its own user" }, ...(process.getuid?.() === 0 ? [nobody] : [])];

test.skipIf(process.platform !== "linux").each(users)(
  "a process of $whose takes the values, and nothing else, out of /proc/<pid>/environ",
  ({ whose: _, ...user }) => {
    const { left, shown, child, kept, gone } = scrubbed(user);
    expect(left).toEqual([]);
    expect(shown).toContain("A_SECRET_TOO=stays");
    expect(shown.join()).not.toContain("hunter");
    expect(child).not.toContain("hunter");
    expect(child).toContain("A_SECRET_TOO=stays");
    expect({ kept, gone }).toEqual({ kept: "stays", gone: undefined });
  },
);
