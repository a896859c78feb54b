import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/main/clock.ts";
import { type HttpHandler, listenHttp } from "../../src/main/http-listener.ts";
import { ManualClock } from "../fakes/manual-clock.ts";

async function listening(handler: HttpHandler) {
  const errors: unknown[] = [];
  const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, (error) => errors.push(error));
  return { listener, errors };
}

async function connected(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** A connection that has sent a whole request. */
async function asking(url: string): Promise<Socket> {
  const socket = await connected(url);
  socket.write("GET / HTTP/1.1\r\nhost: here\r\n\r\n");
  return socket;
}

async function answerOn(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket) text += chunk;
  return text;
}

/** A handler that waits until it is let go. */
function held() {
  const began = Promise.withResolvers<void>();
  const letGo = Promise.withResolvers<void>();
  let ended = false;
  const handler: HttpHandler = async (_request, response) => {
    began.resolve();
    await letGo.promise;
    response.writeHead(204).end();
    ended = true;
  };
  return { handler, began: began.promise, letGo: () => letGo.resolve(), ended: () => ended };
}

test("what is under way when the listener closes is answered, and the connection with it ends", async () => {
  const { handler, began, letGo } = held();
  const { listener } = await listening(handler);
  const socket = await asking(listener.url);
  await began;
  const closed = listener.close(60_000, systemClock);
  letGo();
  expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 204 /);
  await closed;
});

test("a handler whose caller has gone is waited for", async () => {
  const { handler, began, letGo, ended } = held();
  const { listener } = await listening(handler);
  const socket = await asking(listener.url);
  await began;
  socket.destroy();
  const closed = listener.close(60_000, systemClock).then(ended);
  setImmediate(letGo);
  expect(await closed).toBe(true);
});

test("who does not end within the grace is cut off, and still waited for", async () => {
  const clock = new ManualClock();
  const { handler, began, letGo, ended } = held();
  const { listener, errors } = await listening(handler);
  const socket = await asking(listener.url);
  await began;
  const closed = listener.close(5000, clock).then(ended);
  const cut = once(socket, "close");
  await clock.advance(5000);
  await cut;
  expect(ended()).toBe(false);
  letGo();
  expect(await closed).toBe(true);
  expect(errors).toEqual([]);
});

test("a request that is complete only after the close is refused", async () => {
  let handled = 0;
  const { handler, began, letGo } = held();
  const { listener } = await listening((...call) => {
    handled += 1;
    return handler(...call);
  });
  const late = await connected(listener.url);
  late.write("GET / HTTP/1.1\r\n");
  await asking(listener.url);
  await began;
  const closed = listener.close(60_000, systemClock);
  late.write("host: here\r\n\r\n");
  expect(await answerOn(late)).toMatch(/^HTTP\/1\.1 503 /);
  letGo();
  await closed;
  expect(handled).toBe(1);
});

/** Opens so many connections that send what is given and nothing more. */
async function silent(url: string, count: number, sent: string): Promise<Socket[]> {
  const sockets = await Promise.all(Array.from({ length: count }, () => connected(url)));
  for (const socket of sockets) {
    socket.on("error", () => {});
    if (sent !== "") socket.write(sent);
  }
  return sockets;
}

const atOnce: HttpHandler = (request, response) =>
  void request.resume().once("end", () => response.end("ok"));

test.each([
  ["say nothing", ""],
  ["send half of a head", "POST /twilio/status HTTP/1.1\r\nhost: here\r\n"],
  ["send half of a body", "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nhalf"],
  ["have been answered and keep still", "GET / HTTP/1.1\r\nhost: here\r\n\r\n"],
])("connections that %s keep nobody out", async (_, sent) => {
  const limits = { connections: 100 };
  const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, atOnce, () => undefined, limits);
  await silent(listener.url, 120, sent);
  for (let n = 0; n < 3; n += 1) {
    const socket = await connected(listener.url);
    socket.write("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbody");
    expect(await answerOn(socket)).toMatch(/^HTTP\/1\.1 200 /);
  }
  await listener.close(0, systemClock);
});

test("clients that do not read their answers keep nobody out", async () => {
  const answer = Buffer.alloc(16 << 20);
  const handler: HttpHandler = (_request, response) => void response.end(answer);
  const limits = { connections: 5 };
  const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, () => undefined, limits);
  const sockets = await silent(listener.url, 8, "GET / HTTP/1.1\r\nhost: here\r\n\r\n");
  for (const socket of sockets) socket.pause();
  const reader = await asking(listener.url);
  expect(String(await once(reader, "data"))).toMatch(/^HTTP\/1\.1 200 /);
  await listener.close(0, systemClock);
});

test("a connection whose request is being answered gives way to nobody", async () => {
  const { handler, began, letGo } = held();
  const limits = { connections: 2 };
  const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, () => undefined, limits);
  const socket = await asking(listener.url);
  await began;
  const others = await silent(listener.url, 5, "");
  await Promise.all(others.slice(0, 4).map((other) => other.destroyed || once(other.resume(), "close")));
  letGo();
  expect(String(await once(socket, "data"))).toMatch(/^HTTP\/1\.1 204 /);
  await listener.close(0, systemClock);
});

test("what takes its time is ended: a head, a body", async () => {
  const limits = { headMs: 30, requestMs: 60, lookMs: 10 };
  const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, atOnce, () => undefined, limits);
  const [head] = await silent(listener.url, 1, "POST / HTTP/1.1\r\nho");
  const [body] = await silent(
    listener.url,
    1,
    "POST / HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nhalf",
  );
  for (const socket of [head!, body!]) await once(socket.resume(), "close");
  await listener.close(0, systemClock);
});

test("idle connections are kept as long as is configured", async () => {
  const kept = async (keepAliveMs: number) => {
    const limits = { keepAliveMs };
    const listener = await listenHttp({ host: "127.0.0.1", port: 0 }, atOnce, () => undefined, limits);
    const socket = await asking(listener.url);
    const [head] = await once(socket, "data");
    await listener.close(0, systemClock);
    return /keep-alive: timeout=(\d+)/i.exec(String(head))?.[1];
  };
  expect(await kept(600_000)).toBe("600");
  expect(await kept(61_000)).toBe("61");
});
