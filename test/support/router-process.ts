import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import * as grpc from "@grpc/grpc-js";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { Health, HealthCheckResponse_ServingStatus } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { type GrpcClient, grpcClient } from "./grpc-client.ts";
import { program } from "./program.ts";

const readyMs = 15_000;
const stopMs = 15_000;

// A killed replica comes back on its address: clients shall not wait a second before they look again.
export const reconnectQuickly = {
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 100,
};

export interface RouterOptions {
  /** The whole environment but PATH; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the process runs, so that whatever it leaves behind is seen. */
  readonly cwd: string;
  /** Modules that are loaded before the service. */
  readonly imports?: readonly string[];
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** The service as an operator runs it: a process of its own, spoken to over its ports alone. */
export class RouterProcess implements AsyncDisposable {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly exited: Promise<Exit>;
  readonly grpcAddress: string;
  readonly httpUrl: string;
  readonly opsUrl: string;
  readonly client: GrpcClient<typeof SignatureService>;
  readonly #child: ChildProcess;
  readonly #lines = new EventEmitter();
  #exit: Exit | undefined;
  #killed = false;
  #stopping: Promise<void> | undefined;

  /** Starts it and waits until it serves. @throws Error with its output where it ends instead */
  static async start(options: RouterOptions): Promise<RouterProcess> {
    const router = await RouterProcess.spawn(options);
    try {
      await router.#serving();
      return router;
    } catch (error) {
      await router.kill("SIGKILL");
      router.client.close();
      throw new Error(router.#report("the router did not start"), { cause: error });
    }
  }

  /** Starts it without waiting for anything, on free ports where the environment names none. */
  static async spawn(options: RouterOptions): Promise<RouterProcess> {
    const [grpcPort, httpPort, opsPort] = await freePorts(3);
    const listeners = {
      GRPC_LISTEN: `127.0.0.1:${grpcPort}`,
      HTTP_LISTEN: `127.0.0.1:${httpPort}`,
      OPS_LISTEN: `127.0.0.1:${opsPort}`,
    };
    return new RouterProcess({ ...options, env: { ...listeners, ...options.env } });
  }

  private constructor({ env, cwd, imports = [] }: RouterOptions) {
    this.grpcAddress = env["GRPC_LISTEN"] ?? "";
    this.httpUrl = `http://${env["HTTP_LISTEN"]}`;
    this.opsUrl = `http://${env["OPS_LISTEN"]}`;
    this.#lines.setMaxListeners(0);
    this.#child = spawn(process.execPath, program("main", imports), {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const closed = once(this.#child, "close");
    this.exited = closed.then(([code, signal]) => {
      this.#exit = { code, signal };
      this.#lines.emit("line");
      return this.#exit;
    });
    for (const stream of ["stdout", "stderr"] as const) {
      createInterface(this.#child[stream] as Readable).on("line", (line) => {
        this[stream].push(line);
        this.#lines.emit("line");
      });
    }
    this.client = grpcClient(SignatureService, this.grpcAddress, undefined, reconnectQuickly);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** The first line on stdout that holds the text, once it is there. */
  async line(text: string): Promise<string> {
    for (;;) {
      const found = this.stdout.find((line) => line.includes(text));
      if (found !== undefined) return found;
      if (!this.isRunning) throw new Error(this.#report(`it ended before it wrote ${JSON.stringify(text)}`));
      await once(this.#lines, "line");
    }
  }

  /** Only sends the signal, as SIGSTOP and SIGCONT need it. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kills it and waits until it is gone. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Exit> {
    this.#killed = true;
    this.#child.kill(signal);
    return await this.exited;
  }

  /** Ends it as an orchestrator does. @throws Error unless it ends in time, with 0 and in silence */
  stop(): Promise<void> {
    // Once: a second SIGTERM tells the service to stop at once.
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    // A stopped process takes the signal only once it goes on.
    this.#child.kill("SIGCONT");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), stopMs);
    const { code } = await this.exited;
    clearTimeout(late);
    if (code !== 0) throw new Error(this.#report("it did not stop cleanly"));
    if (this.stderr.length > 0) throw new Error(this.#report("it wrote to stderr"));
  }

  /** @throws Error where it had died by itself, or does not stop cleanly */
  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    if (this.#killed) return;
    if (this.#exit !== undefined && this.#stopping === undefined)
      throw new Error(this.#report("it died by itself"));
    await this.stop();
  }

  async #serving(): Promise<void> {
    const deadline = Date.now() + readyMs;
    const channel = new grpc.Client(this.grpcAddress, grpc.credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      ...reconnectQuickly,
    });
    const health = grpcClient(Health, this.grpcAddress, undefined, reconnectQuickly);
    const ended = this.exited.then(() => {
      throw new Error("it ended");
    });
    const ready = async () => {
      await new Promise<void>((resolve, reject) =>
        channel.waitForReady(deadline, (error) => (error ? reject(error) : resolve())),
      );
      for await (const { status } of health.watch({}, { deadlineMs: deadline - Date.now() })) {
        if (status === HealthCheckResponse_ServingStatus.SERVING) return;
      }
    };
    try {
      await Promise.race([ready(), ended]);
    } finally {
      channel.close();
      health.close();
    }
  }

  #report(what: string): string {
    const exit = this.#exit && ` (exit ${this.#exit.code ?? this.#exit.signal})`;
    const log = this.stdout.slice(-10).map((line) => line.slice(0, 300));
    const output = [...log, ...this.stderr.slice(-30)].join("\n");
    return `router ${this.pid}: ${what}${exit ?? ""}\n${output}`;
  }
}

// Below the range that the system hands out itself, so that nobody takes one between here and the start; for each
// worker of a test run ports of its own, one after the other, or two processes that start at once may get the same.
const firstPort = 20_000;
const portsOfOne = 3000;
const worker = Number(process.env["VITEST_POOL_ID"] ?? 0) % 4;
let portsGiven = Math.floor(Math.random() * portsOfOne);

export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    portsGiven += 1;
    const port = firstPort + worker * portsOfOne + (portsGiven % portsOfOne);
    if (await isFree(port)) found.push(port);
  }
  return found;
}

/** Whether nobody listens there. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
