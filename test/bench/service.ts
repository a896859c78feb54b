import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { pinned } from "./worker.ts";

const root = new URL("../..", import.meta.url).pathname;
const readyMs = 20_000;

/** As the image starts Node. */
const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(readFileSync(join(root, ".deploy/Dockerfile"), "utf8"));
const productionOptions: string[] = JSON.parse(entrypoint?.[1] ?? "[]").slice(1);

/** Bundles a checkout as the production image does. @throws Error with the bundler's output */
export function bundleService(folder: string, checkout = root): string {
  const script = join(checkout, ".deploy/bundle.ts");
  const made = spawnSync(process.execPath, [script, folder, `${folder}-maps`], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`the bundle was not made: ${made.stderr}`);
  return join(folder, "main.mjs");
}

/** Whether a bundle knows a variable; an unknown SIGNATURE_* name would keep it from starting. */
export function knowsVariable(main: string, name: string): boolean {
  const folder = join(main, "..");
  return readdirSync(folder)
    .filter((file) => file.endsWith(".mjs"))
    .some((file) => readFileSync(join(folder, file), "utf8").includes(`"${name}"`));
}

export interface ServiceOptions {
  /** The bundle's main module. */
  readonly main: string;
  readonly env: Readonly<Record<string, string>>;
  readonly core: number | undefined;
  readonly ports: { readonly grpc: number; readonly http: number; readonly ops: number };
  readonly logFile: string;
  readonly nodeOptions?: readonly string[];
}

/** The service as it runs in production: bundled, its log in a file. */
export class Service implements AsyncDisposable {
  readonly address: string;
  /** Milliseconds from the spawn to the first SERVING. */
  readonly startMs: number;
  readonly #child: ChildProcess;

  static async start(options: ServiceOptions): Promise<Service> {
    const { ports, main, nodeOptions = [] } = options;
    const begun = performance.now();
    const log = openSync(options.logFile, "a");
    const [command, args] = pinned(options.core, process.execPath, [
      ...productionOptions,
      ...nodeOptions,
      main,
    ]);
    const env = {
      PATH: process.env["PATH"] ?? "",
      NODE_ENV: "production",
      GRPC_LISTEN: `127.0.0.1:${ports.grpc}`,
      HTTP_LISTEN: `127.0.0.1:${ports.http}`,
      OPS_LISTEN: `127.0.0.1:${ports.ops}`,
      ...options.env,
    };
    const child = spawn(command, args, { env, stdio: ["ignore", log, log], cwd: join(main, "..") });
    closeSync(log);
    const address = `127.0.0.1:${ports.grpc}`;
    while (!(await isServing(address))) {
      const late = performance.now() - begun > readyMs;
      if (child.exitCode !== null || late) {
        child.kill("SIGKILL");
        const said = existsSync(options.logFile) ? readFileSync(options.logFile, "utf8").slice(-4000) : "";
        throw new Error(`the service did not start:\n${said}`);
      }
      await sleep(2);
    }
    return new Service(address, performance.now() - begun, child);
  }

  private constructor(address: string, startMs: number, child: ChildProcess) {
    this.address = address;
    this.startMs = startMs;
    this.#child = child;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exited;
  }
}

/** One Health.Check over a connection of its own. */
function isServing(address: string): Promise<boolean> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  return new Promise<boolean>((resolve) => {
    client.makeUnaryRequest(
      "/grpc.health.v1.Health/Check",
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes) => fromBinary(HealthCheckResponseSchema, bytes).status,
      toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema)),
      { deadline: Date.now() + 1000 },
      (error, status) => resolve(error === null && status === HealthCheckResponse_ServingStatus.SERVING),
    );
  }).finally(() => client.close());
}
