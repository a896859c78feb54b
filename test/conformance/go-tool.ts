import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Outside of the project, so that a fresh clone finds what another built. */
const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "signature-router", "go");

export interface GoTool {
  /** With its version, e.g. "connectrpc.com/conformance@v1.0.7". */
  readonly module: string;
  /** The package of the command within it. */
  readonly command: string;
}

/** Whether Go is here, and the sources of the module are, or can be had. */
export async function canBuild(tool: GoTool): Promise<boolean> {
  return await sourcesOf(tool).then(
    () => true,
    () => false,
  );
}

/** Builds a command unless it was built before. @returns the path of the executable */
export async function built({ module, command }: GoTool): Promise<string> {
  const [path = "", version = ""] = module.split("@");
  const folder = join(cache, module.replaceAll("/", "+"));
  const executable = join(folder, command.split("/").at(-1) ?? "");
  if (!existsSync(executable)) {
    await run("go", ["install", `${path}/${command}@${version}`], { env: { ...process.env, GOBIN: folder } });
  }
  return executable;
}

/** The folder of a module's sources, as they were downloaded to build it. */
export async function sourcesOf({ module }: GoTool): Promise<string> {
  const { stdout } = await run("go", ["mod", "download", "-json", module]);
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
