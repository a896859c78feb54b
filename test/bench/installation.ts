import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres, { type Sql } from "postgres";
import { generatedKeysFile } from "../../src/config/keys-file.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { accountSid, authToken, sender } from "../support/twilio-sandbox.ts";
import type { ClientKind } from "./caller.ts";
import type { LoadOrder } from "./client-process.ts";
import type { LoadResult } from "./load.ts";
import { busyCores, coreTimes, cpuMs, cpuOfTreeMs } from "./process-cost.ts";
import { knowsVariable, Service } from "./service.ts";
import { canPin, Worker } from "./worker.ts";

/** What is off, so that the costs alone are measured. */
const unlimited = [
  "message-rate",
  "breaker",
  "customer-limit",
  "phone-limit",
  "caller-limit",
  "lockout",
  "pumping-guard",
].map((name) => `no-${name}`);

/** The service has the first core for itself; PostgreSQL, Twilio's double and the callers share the rest. */
export const serviceCore = 0;
const othersCore = availableParallelism() === 2 ? 1 : undefined;

/** What one load cost, each in microseconds of CPU a call. */
export interface Measured extends LoadResult {
  readonly serviceUs: number;
  readonly postgresUs: number;
  readonly clientUs: number;
  readonly doubleUs: number;
  /** Share of the time, 0 to 1, that each core was busy with anything. */
  readonly cores: readonly number[];
  /** How many cores' time went to processes that are not part of this: above 0.1 or so, measure again. */
  readonly foreign: number;
}

export interface ServiceSettings {
  readonly env?: Readonly<Record<string, string>>;
  /** Undefined, where it is given: any core. */
  readonly core?: number | undefined;
  readonly nodeOptions?: readonly string[];
  /** Whether Twilio's double calls back with delivery receipts. */
  readonly receipts?: boolean;
}

/** A live installation on one machine: PostgreSQL, Twilio's double, callers, and services on one database. */
export class Installation implements AsyncDisposable {
  readonly directory: string;
  readonly databaseUrl: string;
  readonly sql: Sql;
  readonly double: Worker;
  readonly client: Worker;
  readonly services: Service[] = [];
  /** Those that are called; what others do meanwhile is not counted. */
  #called: readonly Service[] = [];
  readonly #postgres: EmbeddedPostgres;
  readonly #postmaster: number;
  readonly #keysFile: string;
  readonly #doubleUrl: string;
  #ports = 21_000 + Math.floor(Math.random() * 1000) * 10;

  static async create(): Promise<Installation> {
    // Children inherit it: PostgreSQL starts here.
    if (othersCore !== undefined) pinThisProcess(othersCore);
    const directory = mkdtempSync(join(tmpdir(), "signature-router-bench-"));
    chmodSync(directory, 0o711); // or root's server would have to keep its files elsewhere
    const server = await startEmbeddedPostgres({ dataDir: directory });
    const double = new Worker("./double-process.ts", othersCore);
    const installation = new Installation(directory, server, double, await double.ask("url"));
    // PostgreSQL would outlive this process.
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, async () => {
        await installation[Symbol.asyncDispose]().catch(() => undefined);
        process.exit(1);
      });
    }
    return installation;
  }

  private constructor(directory: string, server: EmbeddedPostgres, double: Worker, doubleUrl: string) {
    this.directory = directory;
    this.#postgres = server;
    this.databaseUrl = server.url;
    this.sql = postgres(server.url, { max: 2, onnotice: () => {} });
    const pidFile = join(realpathSync(join(directory, "postgres")), "data/postmaster.pid");
    this.#postmaster = Number(readFileSync(pidFile, "utf8").split("\n")[0]);
    this.#keysFile = generatedKeysFile(directory);
    this.double = double;
    this.#doubleUrl = doubleUrl;
    this.client = new Worker("./client-process.ts", othersCore);
  }

  /** Of all services. */
  get logFile(): string {
    return join(this.directory, "service.log");
  }

  get doubleUrl(): string {
    return this.#doubleUrl;
  }

  /** Starts a service with limits, rate, guard and breaker off. */
  async startService(main: string, options: ServiceSettings = {}): Promise<Service> {
    this.#ports += 3;
    const service = await Service.start({
      main,
      core: "core" in options ? options.core : serviceCore,
      ports: { grpc: this.#ports, http: this.#ports + 1, ops: this.#ports + 2 },
      logFile: this.logFile,
      nodeOptions: options.nodeOptions ?? [],
      env: {
        DATABASE_URL: this.databaseUrl,
        TWILIO_ACCOUNT_SID: accountSid,
        TWILIO_AUTH_TOKEN: authToken,
        TWILIO_FROM_NUMBER: sender,
        TWILIO_API_URL: this.#doubleUrl,
        TWILIO_MESSAGES_PER_SECOND: "0",
        TWILIO_BREAKER_FAILURE_RATE: "0",
        SIGNATURE_KEYS_FILE: this.#keysFile,
        SIGNATURE_ALLOWED_COUNTRIES: "*",
        SIGNATURE_LIMIT_CUSTOMER_PER_MINUTE: "0",
        SIGNATURE_LIMIT_PHONE_PER_10_MINUTES: "0",
        SIGNATURE_LIMIT_CALLER_PER_SECOND: "0",
        SIGNATURE_BLOCK_FAILURES: "0",
        ...(knowsVariable(main, "SIGNATURE_PUMPING_GUARD") && { SIGNATURE_PUMPING_GUARD: "off" }),
        ...(knowsVariable(main, "SIGNATURE_PRODUCTION_ALLOW") && {
          SIGNATURE_PRODUCTION_ALLOW: `plain-grpc,all-countries,${unlimited.join(",")}`,
        }),
        ...(options.receipts && { PUBLIC_URL: `http://127.0.0.1:${this.#ports + 1}` }),
        ...options.env,
      },
    });
    this.services.push(service);
    return service;
  }

  async stop(service: Service): Promise<void> {
    this.services.splice(this.services.indexOf(service), 1);
    await service[Symbol.asyncDispose]();
  }

  async connect(kind: ClientKind, services: readonly Service[] = this.services): Promise<void> {
    this.#called = services;
    const addresses = services.map(({ address }) => address);
    await this.client.ask("connect", { kind, addresses, connections: 4 });
  }

  /** Makes calls, and reads what they cost whom. */
  async measure(order: LoadOrder): Promise<Measured> {
    const processes = () => ({
      service: this.#called.reduce((sum, { pid }) => sum + cpuMs(pid), 0),
      postgres: cpuOfTreeMs(this.#postmaster),
      client: cpuMs(this.client.pid),
      double: cpuMs(this.double.pid),
    });
    const before = processes();
    const coresBefore = coreTimes();
    const result = await this.client.ask<LoadResult>("load", order);
    const after = processes();
    const each = (part: keyof typeof before) => ((after[part] - before[part]) * 1000) / result.calls;
    const cores = busyCores(coresBefore, coreTimes());
    const parts = ["service", "postgres", "client", "double"] as const;
    const ownMs = parts.reduce((sum, part) => sum + after[part] - before[part], 0);
    const busy = cores.reduce((sum, share) => sum + share, 0);
    return {
      ...result,
      foreign: Math.max(0, busy - ownMs / 1000 / result.seconds),
      serviceUs: each("service"),
      postgresUs: each("postgres"),
      clientUs: each("client"),
      doubleUs: each("double"),
      cores,
    };
  }

  /**
   * Vacuums now and not by itself: in tables that double within a minute PostgreSQL would come by in the middle of some
   * measurement and not of others.
   * @returns milliseconds of CPU that it took
   */
  async vacuum(): Promise<number> {
    const before = cpuOfTreeMs(this.#postmaster);
    await this.sql`vacuum (analyze)`;
    return cpuOfTreeMs(this.#postmaster) - before;
  }

  /** Waits until the service has made up for what the load before left: seals, and messages to redact after a minute. */
  async settled(): Promise<void> {
    for (;;) {
      const [row] = await this.sql<{ left: boolean }[]>`
        select exists (select from challenge where redact_due_at is not null)
          or exists (select from signature where closed_at is not null and sealed_length < chain_length) as left`;
      if (row?.left !== true) return;
      await sleep(1000);
    }
  }

  async autovacuum(state: "on" | "off"): Promise<void> {
    await this.sql.unsafe(`alter system set autovacuum = ${state}`);
    await this.sql`select pg_reload_conf()`;
  }

  /** Starts signatures until so many wait for their codes. */
  async prepareCodes(count: number): Promise<void> {
    for (;;) {
      const ready = await this.client.ask<number>("codes", await this.double.ask("codes"));
      if (ready >= count) return;
      await this.client.ask("load", { method: "StartSignature", callers: 32, seconds: 1 });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.services) await service[Symbol.asyncDispose]();
    await this.client[Symbol.asyncDispose]();
    await this.double[Symbol.asyncDispose]();
    await this.sql.end({ timeout: 5 });
    const home = realpathSync(join(this.directory, "postgres"));
    await this.#postgres.stop();
    rmSync(home, { recursive: true, force: true });
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function pinThisProcess(core: number): void {
  if (!canPin) return;
  spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", String(core), String(process.pid)]);
}
