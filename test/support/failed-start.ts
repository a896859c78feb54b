import { rmSync } from "node:fs";
import { temporaryDirectory } from "./live-installation.ts";
import { type Exit, isFree, RouterProcess } from "./router-process.ts";

/** A start that comes to nothing: how it ended, and all that it said. */
export async function failedStart(
  env: Readonly<Record<string, string>>,
): Promise<Exit & { said: string; listened: boolean }> {
  const cwd = temporaryDirectory();
  try {
    const router = await RouterProcess.spawn({ env, cwd });
    router.client.close();
    const ports = [router.grpcAddress, router.httpUrl, router.opsUrl].map((at) =>
      Number(at.split(":").at(-1)),
    );
    const exit = await router.exited;
    const said = [...router.stdout, ...router.stderr].join("\n");
    const free = await Promise.all(ports.map((port) => isFree(port)));
    return { ...exit, said, listened: said.includes("listening") || free.includes(false) };
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
