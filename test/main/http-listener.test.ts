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
