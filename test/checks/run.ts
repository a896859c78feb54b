import { spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, join } from "node:path";
import { text } from "node:stream/consumers";

/** Runs a tool of node_modules without a terminal. */
export type Run = (
  tool: string,
  options: readonly string[],
) => Promise<{ succeeded: boolean; output: string }>;

export function toolsOf(root: string): Run {
  const bin = join(root, "node_modules/.bin");
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"]}` };
  return async (tool, options) => {
    const child = spawn(join(bin, tool), options, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    return { succeeded: code === 0, output: `${stdout}${stderr}`.trim() || `${tool} ended with ${code}` };
  };
}
