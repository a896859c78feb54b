import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { openPool } from "../../src/postgres/open.ts";
import { failedStart } from "../support/failed-start.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { freePorts } from "../support/router-process.ts";
import { runTool } from "../support/tool-process.ts";

/** PostgreSQL on files that the embedded server made, with a log that a stand-by can follow, which that one has not. */
class Server implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;

  static async start(data: string): Promise<Server> {
    const [port = 0] = await freePorts(1);
    const [program = ""] = readFileSync(join(data, "postmaster.opts"), "utf8").split(" ");
    const { uid, gid } = statSync(data);
    const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "wal_level=replica"];
    const args = ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])];
    const child = spawn(program, args, { uid, gid, stdio: ["ignore", "ignore", "pipe"] });
    await new Promise<void>((resolve, reject) => {
      child.once("exit", () => reject(new Error("the server ended")));
      createInterface(child.stderr as Readable).on("line", (line) => {
        if (/ready to accept (read-only )?connections/.test(line)) resolve();
      });
    });
    return new Server(port, child);
  }

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGINT");
    await gone;
  }
}

describe("a stand-by", () => {
  const left = new AsyncDisposableStack();
  let primary: string;
  let standBy: string;

  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "signature-router-stand-by-"));
    chmodSync(folder, 0o711);
    left.defer(() => rmSync(folder, { recursive: true, force: true }));
    const embedded = await startEmbeddedPostgres({ dataDir: folder });
    await runTool("migrate", ["up"], { DATABASE_URL: embedded.url });
    await embedded.stop();
    const home = realpathSync(join(folder, "postgres"));
    const data = join(home, "data");
    const first = await Server.start(data);
    await first[Symbol.asyncDispose]();
    const copy = join(home, "copy");
    // As its owner has it, with what makes a stand-by of it: it waits for a primary's log.
    execFileSync("cp", ["-a", data, copy]);
    execFileSync("cp", ["-a", join(data, "PG_VERSION"), join(copy, "standby.signal")]);
    const url = (server: Server) => {
      const at = new URL(embedded.url);
      at.port = String(server.port);
      return at.href;
    };
    primary = url(left.use(await Server.start(data)));
    standBy = url(left.use(await Server.start(copy)));
  });

  afterAll(() => left.disposeAsync());

  it.each(["auto", "check"])(
    "is refused by name where it is the only host, with SIGNATURE_MIGRATE=%s",
    async (mode) => {
      await using installation = await LiveInstallation.create(standBy);
      const { code, said } = await failedStart(installation.environment({ SIGNATURE_MIGRATE: mode }));
      expect(code).toBe(1);
      expect(said).toMatch(
        /^the database of DATABASE_URL \(.*\) cannot be used:\n {2}- it is a stand-by, .*: name the primary/,
      );
      expect(said).not.toContain("25006");
    },
  );

  it("is passed over where it is named first of several hosts", async () => {
    const url = new URL(primary);
    const hosts = `${new URL(standBy).host},${url.host}`;
    const database = await openPool({
      ...{ url: primary.replace(url.host, hosts), variable: "DATABASE_URL" },
      ...{ connections: 4, allGrants: true },
    });
    const asked = Array.from({ length: 8 }, async () => {
      const [row] = await database.sql`select inet_server_port() as port, pg_is_in_recovery() as recovering`;
      return row;
    });
    for (const row of await Promise.all(asked))
      expect(row).toEqual({ port: Number(url.port), recovering: false });
    expect(await database.answers(2000)).toBe("yes");
    await database.close();
  });

  it("is said to be all that there is, where no host is a primary", async () => {
    const { host } = new URL(standBy);
    const opened = openPool({
      ...{ url: standBy.replace(host, `${host},${host}`), variable: "DATABASE_URL" },
      ...{ connections: 1, allGrants: true },
    });
    await expect(opened).rejects.toThrow(/none of its hosts is a primary .* Name the primary too/);
  });
});
