import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";

type Reply = { id: number; result?: unknown; error?: string };
type Handlers = Readonly<Record<string, (argument: never) => unknown>>;

const hasTaskset = spawnSync("taskset", ["--version"]).status === 0;

/** Read before this process keeps to one of them. */
const cores = availableParallelism();

/** Whether processes can be kept to one core each. */
export const canPin = hasTaskset && cores > 1;

/** Command and arguments that run on this core alone where that can be; undefined: on any. */
export function pinned(
  core: number | undefined,
  command: string,
  args: readonly string[],
): [string, string[]] {
  // A child would inherit the core of this process.
  const list = core === undefined ? `0-${cores - 1}` : String(core);
  return canPin ? ["taskset", ["--cpu-list", list, command, ...args]] : [command, [...args]];
}

/** What collects their garbage takes as little as can be of the core, and of the time, that is measured. */
const nodeOptions = ["--max-semi-space-size=32", "--v8-pool-size=1"];

/** A process of the benchmark's own, asked over IPC. */
export class Worker implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;

  /** @param file beside this module */
  constructor(file: string, core: number | undefined) {
    const [command, args] = pinned(core, process.execPath, [
      ...nodeOptions,
      new URL(file, import.meta.url).pathname,
    ]);
    this.#child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.#child.on("message", ({ id, result, error }: Reply) => {
      const asked = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) asked?.resolve(result);
      else asked?.reject(new Error(`${file}: ${error}`));
    });
    this.#child.once("exit", (code, signal) => {
      for (const asked of this.#waiting.values()) asked.reject(new Error(`${file} ended: ${code ?? signal}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  ask<Result>(command: string, argument: unknown = {}): Promise<Result> {
    this.#asked += 1;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#asked, answer);
    this.#child.send({ id: this.#asked, command, argument });
    return answer.promise as Promise<Result>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended =
      this.#child.exitCode === null && this.#child.signalCode === null && once(this.#child, "exit");
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }
}

/** The worker's side: answers each command with what its handler gives; ends with its parent. */
export function serveParent(handlers: Handlers): void {
  process.on(
    "message",
    async ({ id, command, argument }: { id: number; command: string; argument: never }) => {
      let reply: Reply;
      try {
        reply = { id, result: await handlers[command]?.(argument) };
      } catch (error) {
        reply = { id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
      }
      process.send?.(reply);
    },
  );
  process.once("disconnect", () => process.exit());
}
