import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import { guardedModules, guardedSource } from "../../src/postgres/driver-guard.ts";
import { useDatabase } from "../support/database.ts";
import { DatabaseProxy } from "../support/database-proxy.ts";

const { url } = await useDatabase();

const path = fileURLToPath(new URL("connection.js", import.meta.resolve("postgres")));
const source = readFileSync(path, "utf8");

test("the driver that is installed is the one that the guard was made for", () => {
  expect(path).toMatch(guardedModules);
  const guarded = guardedSource(path, source);
  expect(guarded).toContain("if (socket === null) {");
  // Each cancelled wait is forgotten too.
  expect(
    guarded.match(/clearImmediate\(nextWriteTimer\)\n {4,6}chunk = nextWriteTimer = null/g),
  ).toHaveLength(4);
});

test("a driver of another version is noticed", () => {
  expect(() => guardedSource(path, "export default 1")).toThrow("was made for");
});

// Else V8 keeps it, its parameters and its rows until the old generation is collected.
test("a query has no functions that close over it", async () => {
  const sql = postgres(url, { max: 1 });
  onTestFinished(() => sql.end({ timeout: 0 }));
  const [one, other] = [sql`select 1`, sql`select 2`];
  await Promise.all([one, other]);
  const own = Object.entries(one).filter(([name, value]) => {
    return typeof value === "function" && value !== Reflect.get(other, name);
  });
  expect(own).toEqual([]);
});

test("no query is forgotten where all connections are reset under it", async () => {
  await using proxy = await DatabaseProxy.start(url);
  const sql = postgres(proxy.url, { max: 2, backoff: () => 0 });
  onTestFinished(() => sql.end({ timeout: 0 }));
  const code = (error: unknown) => (error as { code: string }).code;
  for (let round = 0; round < 10; round += 1) {
    const asked = Array.from({ length: 6 }, (_, n) => sql`select ${n}::int`.then(() => "ok", code));
    await turn();
    await proxy.turn("reset");
    await proxy.turn("fair");
    // The second falls between the error and the end of a socket.
    const again = asked.map((answer) => answer.then(() => sql`select 1`).then(() => "ok", code));
    for (const answer of await Promise.all([...asked, ...again]))
      expect(answer).toMatch(/^(ok|ECONNRESET|CONNECTION_CLOSED|EPIPE)$/);
  }
  expect(await sql`select 1 as n`).toEqual([{ n: 1 }]);
});

test("a pool ends though its connection is reset under the query that it waits for", async () => {
  await using proxy = await DatabaseProxy.start(url);
  for (let round = 0; round < 5; round += 1) {
    const sql = postgres(proxy.url, { max: 1, backoff: () => 0 });
    await sql`select 1`;
    const asked = sql`select pg_sleep(60)`.catch(() => undefined);
    await turn();
    const ended = sql.end();
    await turn();
    await proxy.turn("reset");
    await proxy.turn("fair");
    await Promise.all([asked, ended]);
  }
});

test("a transaction is given up with its pool, though nobody at the other end says a word", async () => {
  await using proxy = await DatabaseProxy.start(url);
  const sql = postgres(proxy.url, { max: 1, backoff: () => 0 });
  const inside = Promise.withResolvers<void>();
  const transaction = sql.begin(async (tx) => {
    await tx`select 1`;
    await proxy.turn("silent");
    inside.resolve();
    // Described before it is executed: the connection takes nothing else meanwhile.
    await tx`select ${1}::int`;
  });
  const outcome = transaction.then(
    () => "committed",
    (error: { code: string }) => error.code,
  );
  await inside.promise;
  await turn();
  await sql.end({ timeout: 0 });
  expect(await outcome).toMatch(/^CONNECTION_/);
});

test("a result has no holes after a statement that failed past its first row", async () => {
  const sql = postgres(url, { max: 1 });
  onTestFinished(() => sql.end({ timeout: 0 }));
  const failing = [
    () => sql`select 10 / (3 - n) as x from generate_series(1, ${3}::int) as n`,
    () => sql.unsafe("select 10 / (3 - n) as x from generate_series(1, 3) as n"),
  ];
  for (const divide of failing) {
    await expect(divide()).rejects.toMatchObject({ code: "22012" });
    const rows = await sql`select 7 as x`;
    expect([rows.length, [...rows]]).toEqual([1, [{ x: 7 }]]);
  }
});

/** Takes each connection and answers its first bytes with nothing but an end; or with silence. */
async function uselessServer(
  answer: "end" | "silence",
): Promise<{ port: number; connections: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    socket.once("data", () => (answer === "end" ? socket.end() : undefined));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => sockets.size };
}

test("a peer that closes each connection without a word ends the query, after one connection", async () => {
  const { port, connections } = await uselessServer("end");
  const sql = postgres(`postgres://nobody@127.0.0.1:${port}/none`, { max: 1, backoff: () => 0 });
  onTestFinished(() => sql.end({ timeout: 0 }));
  for (let asked = 1; asked <= 3; asked += 1) {
    await expect(sql`select 1`).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
    expect(connections()).toBe(asked);
  }
});

test.each(["end", "silence"] as const)(
  "a first host of which nothing comes but %s is passed over",
  async (answer) => {
    const { port } = await uselessServer(answer);
    const hosts = url.replace(new URL(url).host, (host) => `127.0.0.1:${port},${host}`);
    const sql = postgres(hosts, {
      max: 1,
      connect_timeout: 0.2,
      target_session_attrs: "primary",
      backoff: () => 0,
    });
    onTestFinished(() => sql.end({ timeout: 0 }));
    expect(await sql`select 1 as n`).toEqual([{ n: 1 }]);
  },
);

test("of several hosts that close each connection without a word, none is asked for ever", async () => {
  const [one, other] = [await uselessServer("end"), await uselessServer("end")];
  const sql = postgres(`postgres://nobody@127.0.0.1:${one.port},127.0.0.1:${other.port}/none`, {
    max: 1,
    backoff: () => 0,
    target_session_attrs: "primary",
  });
  onTestFinished(() => sql.end({ timeout: 0 }));
  await expect(sql`select 1`).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
  expect([one.connections(), other.connections()]).toEqual([1, 1]);
});
