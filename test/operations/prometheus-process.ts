import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { basename, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export interface PrometheusOptions {
  /** Empty, and removed by the caller. */
  readonly directory: string;
  /** host:port of each replica's OPS_LISTEN. */
  readonly targets: readonly string[];
  /** File names and their contents. */
  readonly rules: ReadonlyMap<string, string>;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value as text. */
  readonly values: readonly (readonly [number, string])[];
}

export interface LoadedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

const readyMs = 15_000;

/** Debian's Prometheus, scraping and evaluating every second. */
export class PrometheusProcess implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #output: string[] = [];

  /** @throws Error with its output where it does not become ready */
  static async start({ directory, targets, rules }: PrometheusOptions): Promise<PrometheusProcess> {
    mkdirSync(join(directory, "rules"));
    for (const [name, text] of rules) writeFileSync(join(directory, "rules", basename(name)), text);
    const config = {
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: ["rules/*.yaml"],
      scrape_configs: [{ job_name: "signature-router", static_configs: [{ targets }] }],
    };
    // JSON is YAML.
    writeFileSync(join(directory, "prometheus.yaml"), JSON.stringify(config));
    const prometheus = new PrometheusProcess(directory, await freePort());
    try {
      await prometheus.#ready();
      return prometheus;
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw new Error(`prometheus did not start\n${prometheus.#output.join("")}`, { cause: error });
    }
  }

  private constructor(directory: string, port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#child = spawn(
      "prometheus",
      [
        `--config.file=${join(directory, "prometheus.yaml")}`,
        `--storage.tsdb.path=${join(directory, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--log.level=warn",
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.#child.on("error", (error) => this.#output.push(String(error)));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on("data", (chunk: Buffer) => this.#output.push(chunk.toString()));
  }

  /** What it said that somebody should know of. */
  get warnings(): string[] {
    return this.#output.join("").split("\n").filter(Boolean);
  }

  /** Every series of an expression in the last `rangeSeconds`, a sample for each second. */
  async range(query: string, rangeSeconds: number): Promise<Sample[]> {
    const end = Date.now() / 1000;
    const parameters = { query, start: String(end - rangeSeconds), end: String(end), step: "1" };
    const { result } = await this.#get<{ result: Sample[] }>("query_range", parameters);
    return result;
  }

  /** Resolves once every target has answered; Prometheus takes 5 s to begin. */
  async scraped(targets: number): Promise<void> {
    const until = Date.now() + readyMs;
    while ((await this.range("up == 1", 0)).length < targets) {
      if (Date.now() > until) throw new Error(`not every target answers within ${readyMs / 1000} s`);
      await pause(100);
    }
  }

  async rules(): Promise<LoadedRule[]> {
    const { groups } = await this.#get<{ groups: { rules: LoadedRule[] }[] }>("rules", {});
    return groups.flatMap(({ rules }) => rules);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.pid === undefined || this.#child.exitCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await closed;
    clearTimeout(late);
  }

  async #get<T>(path: string, parameters: Readonly<Record<string, string>>): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { status: string; error?: string; data: T };
    if (answer.status !== "success") throw new Error(`${parameters["query"]}: ${answer.error}`);
    return answer.data;
  }

  async #ready(): Promise<void> {
    const until = Date.now() + readyMs;
    for (;;) {
      const ready = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      if (ready?.ok) return;
      if (this.#child.exitCode !== null || this.#child.pid === undefined) throw new Error("it ended");
      if (Date.now() > until) throw new Error(`not ready within ${readyMs / 1000} s`);
      await pause(50);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
