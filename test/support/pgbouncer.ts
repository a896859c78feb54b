import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { freePorts } from "./router-process.ts";

/** Debian's place, and where a newer one may be named, which CI has not. */
const path = `${process.env["PATH"] ?? ""}:/usr/sbin`;

/** `nobody`: PgBouncer does not run as root. */
const nobody = { uid: 65_534, gid: 65_534 };

/** The PgBouncers of this machine, by release; `PGBOUNCER_NEWER` names another program than that of the PATH. */
export const pgBouncers: readonly {
  readonly version: string;
  readonly tracks: boolean;
  readonly program: string;
}[] = ["pgbouncer", ...(process.env["PGBOUNCER_NEWER"]?.split(",") ?? [])].flatMap((program) => {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8", env: { PATH: path } });
  const [, major, minor] = /^PgBouncer (\d+)\.(\d+)/.exec(stdout ?? "") ?? [];
  if (minor === undefined) return [];
  return [{ program, version: `${major}.${minor}`, tracks: Number(major) > 1 || Number(minor) >= 21 }];
});

/** A real PgBouncer before the test run's PostgreSQL. */
export class PgBouncer implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  /** @param settings of pgbouncer.ini beside what it needs to run */
  static async start(
    program: string,
    databaseUrl: string,
    settings: Readonly<Record<string, string | number>> = {},
  ): Promise<PgBouncer> {
    const [port = 0] = await freePorts(1);
    const folder = mkdtempSync(join(tmpdir(), "pgbouncer-"));
    const { hostname, port: serverPort, username, password } = new URL(databaseUrl);
    const ini = {
      listen_addr: "127.0.0.1",
      listen_port: port,
      unix_socket_dir: "",
      auth_type: "trust",
      auth_file: join(folder, "users"),
      ...settings,
    };
    const lines = Object.entries(ini).map(([name, value]) => `${name} = ${value}`);
    writeFileSync(
      join(folder, "pgbouncer.ini"),
      `[databases]\n* = host=${hostname} port=${serverPort}\n[pgbouncer]\n${lines.join("\n")}\n`,
    );
    writeFileSync(join(folder, "users"), `"${username}" "${decodeURIComponent(password)}"\n`);
    const asRoot = process.getuid?.() === 0;
    if (asRoot) {
      chmodSync(folder, 0o700);
      for (const name of ["", ...readdirSync(folder)]) chownSync(join(folder, name), nobody.uid, nobody.gid);
    }
    const child = spawn(program, [join(folder, "pgbouncer.ini")], {
      env: { PATH: path },
      stdio: ["ignore", "ignore", "pipe"],
      ...(asRoot && nobody),
    });
    const said: string[] = [];
    const up = new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", () => reject(new Error(`PgBouncer ended:\n${said.join("\n")}`)));
      createInterface(child.stderr as Readable).on("line", (line) => {
        said.push(line);
        if (line.includes("process up")) resolve();
      });
    });
    const url = new URL(databaseUrl);
    url.port = String(port);
    const bouncer = new PgBouncer(url.href, child, folder);
    try {
      await up;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return bouncer;
  }

  private constructor(url: string, child: ChildProcess, folder: string) {
    this.url = url;
    this.#child = child;
    this.#folder = folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = once(this.#child, "exit");
      this.#child.kill("SIGKILL");
      await gone;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
