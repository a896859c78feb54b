import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import postgres from "postgres";
import { inject } from "vitest";
import type { RehearsedImage } from "./image-rehearsal.ts";

const deploy = join(import.meta.dirname, "../../.deploy");

/** What prepare.sh makes, in a folder of its own. */
export class PreparedSecrets implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "signature-router-deploy-"));
  readonly env: Readonly<Record<string, string>>;

  constructor() {
    cpSync(join(deploy, "prepare.sh"), join(this.folder, "prepare.sh"));
    execFileSync("sh", [join(this.folder, "prepare.sh")], { stdio: ["ignore", "ignore", "inherit"] });
    const lines = readFileSync(join(this.folder, ".env"), "utf8").trim().split("\n");
    this.env = Object.fromEntries(lines.map((line) => line.split("=", 2)));
  }

  json(name: string): Record<string, string> {
    return JSON.parse(readFileSync(join(this.folder, "local", name), "utf8"));
  }

  pem(name: string): Buffer {
    return readFileSync(join(this.folder, "local/tls", name));
  }

  /** Mounts a service's files into the image as compose.yaml does, and answers its environment. */
  mount(service: string, image: RehearsedImage): Record<string, string> {
    const text = readFileSync(join(deploy, "compose.yaml"), "utf8");
    const lines = text.split(/^ {2}(?=\S)/m).find((part) => part.startsWith(`${service}:\n`)) ?? "";
    for (const [, source = "", target = ""] of lines.matchAll(/^ {6}- (\.\/\S+):(\S+):ro$/gm)) {
      const path = join(image.folder, target);
      mkdirSync(dirname(path), { recursive: true });
      cpSync(join(source.startsWith("./local/") ? this.folder : deploy, source), path);
    }
    const variables = [...lines.matchAll(/^ {6}([A-Z_]+): (.+)$/gm)].map(([, name = "", value = ""]) => [
      name,
      value
        .replaceAll(/\$\{(\w+)\}/g, (_, variable: string) => this.env[variable] ?? "")
        .replace(/^\/run\//, join(image.folder, "run/")),
    ]);
    return Object.fromEntries(variables);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A database and two roles as roles.sql makes them, under names of this test's own. */
export class DeployedDatabase implements AsyncDisposable {
  readonly #operators: string[] = [];
  readonly #name = `test_${randomBytes(8).toString("hex")}`;
  readonly #env: Readonly<Record<string, string>>;
  readonly #admin = postgres(inject("database").url, { max: 1, onnotice: () => {} });

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
  }

  /** Runs a file of .deploy/postgres as psql would. */
  async run(
    file: "roles.sql" | "grants.sql" | "operators.sql",
    sql: postgres.Sql = this.#admin,
  ): Promise<void> {
    const variables = new Map<string, string>();
    const text = readFileSync(join(deploy, "postgres", file), "utf8")
      .replaceAll(/^--.*\n/gm, "")
      .replaceAll(/^\\getenv (\w+) (\w+)\n/gm, (_, name: string, variable: string) => {
        variables.set(name, this.#env[variable] ?? "");
        return "";
      })
      .replaceAll(/:'(\w+)'/g, (_, name: string) => `'${variables.get(name)}'`)
      .replaceAll(/\bdatabase signature\b/g, `database ${this.#name}`);
    for (const statement of this.renamed(text).split(";\n")) await sql.unsafe(statement);
  }

  /** A text of the deployment's with this test's names of roles. */
  renamed(text: string): string {
    return text.replaceAll(/\bsignature_(migrator|runtime|operator)\b/g, `${this.#name}_$1`);
  }

  /** The address that compose.yaml gives, here. */
  url(composed: string): string {
    const url = new URL(this.renamed(composed));
    url.host = new URL(inject("database").url).host;
    url.pathname = `/${this.#name}`;
    return url.href;
  }

  /** The address of the database for the server's administrator. */
  administrator(): string {
    const url = new URL(inject("database").url);
    url.pathname = `/${this.#name}`;
    return url.href;
  }

  /** A login of an operator's own, as roles.sql says; answers its address. */
  async operator(name: string): Promise<string> {
    const role = `${this.#name}_${name}`;
    await this.#admin.unsafe(`create role ${role} login password '${name}' in role ${this.#name}_operator`);
    this.#operators.push(role);
    return this.url(`postgres://${role}:${name}@postgres/signature`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#admin`drop database if exists ${this.#admin(this.#name)} with (force)`;
    const roles = ["migrator", "runtime", "operator"].map((role) => `${this.#name}_${role}`);
    for (const role of [...this.#operators, ...roles])
      await this.#admin`drop role if exists ${this.#admin(role)}`;
    await this.#admin.end();
  }
}

/** A command of the image, as its user where this process may become it. */
export class ImageProcess implements AsyncDisposable {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #lines = new EventEmitter();

  constructor(image: RehearsedImage, command: readonly string[], env: Readonly<Record<string, string>>) {
    const [program = "", ...args] = command;
    const { uid, gid } = image;
    this.#child = spawn(join(image.folder, "usr/local/bin", program), args, {
      cwd: join(image.folder, image.workdir),
      env: { ...image.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...(process.getuid?.() === 0 && { uid, gid }),
    });
    this.#exited = once(this.#child, "close").then(([code]) => code);
    for (const stream of ["stdout", "stderr"] as const) {
      const input = this.#child[stream];
      if (input === null) continue;
      createInterface(input).on("line", (line) => {
        this[stream].push(line);
        this.#lines.emit("line");
      });
    }
    void this.#exited.then(() => this.#lines.emit("line"));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Where it listens, by the log. @throws Error with its output where it ends before */
  async listener(service: "grpc" | "http" | "ops"): Promise<string> {
    for (;;) {
      const entries = this.stdout.map((line) => JSON.parse(line) as Record<string, string>);
      const found = entries.find((entry) => entry["service"] === service)?.["listen"];
      if (found !== undefined) return new URL(found).host;
      if (this.#child.exitCode !== null) throw new Error(`it did not start:\n${this.output}`);
      await once(this.#lines, "line");
    }
  }

  /** The exit code. */
  end(): Promise<number | null> {
    return this.#exited;
  }

  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    return await this.#exited;
  }

  get output(): string {
    return [...this.stdout, ...this.stderr].join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }
}
