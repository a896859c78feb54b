import { execFile } from "node:child_process";
import { program } from "./program.ts";

export interface ToolRun {
  readonly code: number;
  /** Both streams. */
  readonly said: string;
}

/** A tool as package.json starts it, in an environment of its own: nothing is inherited but PATH. */
export function runTool(
  tool: "admin" | "migrate",
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<ToolRun> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env["PATH"] ?? "", ...env }, timeout: 40_000 };
    execFile(process.execPath, [...program(tool), ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), said: `${out}${err}` });
    });
  });
}
