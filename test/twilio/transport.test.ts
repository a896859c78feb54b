import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { LeaseLost } from "../../src/domain/provider.ts";
import { HttpTransport, TransportFailure } from "../../src/twilio/transport.ts";
import { FaultServer, http } from "./fault-server.ts";

const request = {
  method: "POST",
  path: "/Accounts/AC1/Messages.json",
  headers: { "content-type": "application/x-www-form-urlencoded" },
  body: "To=%2B34600111001&Body=123456",
} as const;
const inTime = () => AbortSignal.timeout(5_000);

async function failureOf(call: Promise<unknown>): Promise<TransportFailure> {
  const error = await call.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(TransportFailure);
  return error as TransportFailure;
}

describe("HttpTransport", () => {
  let server: FaultServer;
  let transport: HttpTransport;

  beforeEach(async () => {
    server = await FaultServer.start((socket) => socket.write(http(200, "{}")));
    transport = new HttpTransport({ baseUrl: server.url, connections: 1 });
  });
  afterEach(async () => {
    await transport.close();
    await server.stop();
  });

  test("sends one request below the prefix of the base URL and gives the answer with its headers", async () => {
    server.behave = (socket) =>
      socket.write(http(201, '{"a":"é"}', { "twilio-request-id": "RQ1", "x-two": "b" }));
    const answer = await transport.exchange(request, inTime());
    expect(answer).toMatchObject({
      status: 201,
      body: '{"a":"é"}',
      headers: { "twilio-request-id": "RQ1", date: "Fri, 16 Jun 2023 17:29:30 GMT" },
    });
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).toMatch(/^POST \/2010-04-01\/Accounts\/AC1\/Messages\.json HTTP\/1\.1\r\n/);
    expect(server.requests[0]).toContain(request.body);
  });

  test("keeps the connection for the next call", async () => {
    await transport.exchange(request, inTime());
    await transport.exchange(request, inTime());
    expect(server.connections).toBe(1);
  });

  test("opens no more connections than it may, and lets the other calls wait", async () => {
    await Promise.all(Array.from({ length: 5 }, () => transport.exchange(request, inTime())));
    expect(server.requests).toHaveLength(5);
    expect(server.connections).toBe(1);
  });

  test("follows no redirect", async () => {
    server.behave = (socket) => socket.write(http(307, "", { location: `${server.url}/elsewhere` }));
    expect((await transport.exchange(request, inTime())).status).toBe(307);
    expect(server.requests).toHaveLength(1);
  });

  describe("the fence", () => {
    test("writes not one byte where the permit is refused, on a new connection", async () => {
      const connected = once(server, "connection");
      const call = transport.exchange(request, inTime(), { mayBegin: () => false });
      await expect(call).rejects.toBeInstanceOf(LeaseLost);
      await connected;
      // A later call goes over the same connection: what it brings is all that ever came.
      await transport.exchange({ ...request, path: "/later" }, inTime());
      expect(server.connections).toBe(1);
      expect(server.requests).toEqual([expect.stringContaining("/later")]);
      expect(server.bytes).toBe(server.requests[0]?.length);
    });

    test("writes not one byte where the permit is refused, on a kept connection", async () => {
      await transport.exchange(request, inTime());
      const bytes = server.bytes;
      const call = transport.exchange(request, inTime(), { mayBegin: () => false });
      await expect(call).rejects.toBeInstanceOf(LeaseLost);
      await transport.exchange(request, inTime());
      expect(server.requests).toHaveLength(2);
      expect(server.bytes).toBe(2 * bytes);
    });

    test("asks only once there is a connection to write to, and in the turn of the write", async () => {
      let socket: Socket | undefined;
      const sees = (event: unknown) => {
        socket = (event as { socket: Socket }).socket;
      };
      subscribe("undici:client:sendHeaders", sees);
      const asked: string[] = [];
      await transport.exchange(request, inTime(), {
        mayBegin: () => {
          asked.push(`with ${socket?.bytesWritten ?? "no"} bytes written`);
          // Between the question and the write not even a microtask runs.
          queueMicrotask(() => asked.push(`${socket?.bytesWritten} bytes in the same turn`));
          return true;
        },
      });
      unsubscribe("undici:client:sendHeaders", sees);
      expect(asked).toEqual(["with no bytes written", `${server.bytes} bytes in the same turn`]);
      expect(server.connections).toBe(1);
    });

    test("asks a call that waited for a connection when its turn comes, not before", async () => {
      const answers: (() => void)[] = [];
      server.behave = (socket) => answers.push(() => socket.write(http(200, "{}")));
      const first = transport.exchange(request, inTime());
      await server.requested(1);
      let mayBegin = true;
      const second = transport.exchange(request, inTime(), { mayBegin: () => mayBegin });
      mayBegin = false;
      answers[0]?.();
      await first;
      await expect(second).rejects.toBeInstanceOf(LeaseLost);
      expect(server.requests).toHaveLength(1);
    });
  });

  describe("tells that nothing was written", () => {
    test("where the connection is refused", async () => {
      await server.stop();
      const failure = await failureOf(transport.exchange(request, inTime()));
      expect(failure).toMatchObject({ fault: "connection", written: false });
    });

    test("where the host has no address", async () => {
      const nowhere = new HttpTransport({ baseUrl: "https://nowhere.invalid/2010-04-01", connections: 1 });
      const failure = await failureOf(nowhere.exchange(request, inTime()));
      expect(failure).toMatchObject({ fault: "connection", written: false });
      await nowhere.close();
    });

    test("where TLS fails", async () => {
      const plain = createServer((socket) => socket.end("this is no TLS")).listen(0, "127.0.0.1");
      await once(plain, "listening");
      const { port } = plain.address() as { port: number };
      const secure = new HttpTransport({ baseUrl: `https://127.0.0.1:${port}`, connections: 1 });
      const failure = await failureOf(secure.exchange(request, inTime()));
      expect(failure).toMatchObject({ fault: "connection", written: false });
      await secure.close();
      plain.close();
    });

    test("where TLS never ends and the signal fires", async () => {
      const secure = new HttpTransport({ baseUrl: server.url.replace("http:", "https:"), connections: 1 });
      const stop = new AbortController();
      const call = failureOf(secure.exchange(request, stop.signal));
      await once(server, "connection");
      stop.abort();
      expect(await call).toMatchObject({ fault: "timeout", written: false });
      await secure.close();
    });

    test("where the signal has fired already, or fires while the call waits for a connection", async () => {
      expect(await failureOf(transport.exchange(request, AbortSignal.abort()))).toMatchObject({
        fault: "timeout",
        written: false,
      });
      server.behave = () => {};
      const first = failureOf(transport.exchange(request, inTime()));
      await server.requested(1);
      const stop = new AbortController();
      const second = failureOf(transport.exchange(request, stop.signal));
      stop.abort();
      expect(await second).toMatchObject({ fault: "timeout", written: false });
      server.endConnections();
      await first;
      server.behave = (socket) => socket.write(http(200, "{}"));
      await transport.exchange(request, inTime());
      expect(server.requests).toHaveLength(2);
    });

    test("where the pool was closed", async () => {
      await transport.close();
      expect(await failureOf(transport.exchange(request, inTime()))).toMatchObject({ written: false });
    });
  });

  describe("tells that the request may have been read, and sends it once,", () => {
    test.each([
      [
        "it is reset unread",
        (socket) => socket.resetAndDestroy(),
        { fault: "connection", status: undefined },
      ],
      ["it is closed unanswered", (socket) => socket.end(), { fault: "connection", status: undefined }],
      [
        "the answer is no HTTP",
        (socket) => socket.write("hello\r\n\r\n"),
        { fault: "connection", status: undefined },
      ],
      [
        "the body is cut short",
        (socket) => socket.end(http(201, "{", {}, 100)),
        { fault: "unreadable", status: 201 },
      ],
      [
        "the body never ends",
        (socket) => socket.write(http(201, "x".repeat(1_100_000), {}, 2_000_000)),
        { fault: "unreadable", status: 201 },
      ],
    ] as const satisfies [string, FaultServer["behave"], object][])(
      "where %s",
      async (_, behave, expected) => {
        server.behave = behave;
        const failure = await failureOf(transport.exchange(request, inTime()));
        expect(failure).toMatchObject({ ...expected, written: true });
        expect(server.requests).toHaveLength(1);
      },
    );

    test("where the signal fires before an answer, or within a body that drips", async () => {
      for (const answer of ["", http(201, '{"sid":', {}, 400)]) {
        server.behave = (socket) => socket.write(answer);
        const stop = new AbortController();
        const call = failureOf(transport.exchange(request, stop.signal));
        const before = server.requests.length;
        await server.requested(before + 1);
        stop.abort();
        expect(await call).toMatchObject({ fault: "timeout", written: true });
      }
      expect(server.requests).toHaveLength(2);
    });

    test("where the server closes a kept connection at the moment of the write", async () => {
      await transport.exchange(request, inTime());
      // Half closed as the request goes out: undici learns of it only afterwards.
      server.behave = (socket) => socket.destroy();
      const failure = await failureOf(transport.exchange(request, inTime()));
      expect(failure).toMatchObject({ fault: "connection", written: true });
      expect(server.requests).toHaveLength(2);
      expect(server.connections).toBe(1);
    });
  });

  test("takes a kept connection that the server has closed for closed, and opens another", async () => {
    await transport.exchange(request, inTime());
    server.endConnections();
    const answer = await transport.exchange(request, inTime());
    expect(answer.status).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  test.each([
    "http://api.twilio.com/2010-04-01",
    "ftp://127.0.0.1",
    "https://user:secret@api.twilio.com",
    "https://api.twilio.com/?a=b",
    "http://127.0.0.1.evil.example",
  ])("refuses %s as a base URL", (baseUrl) => {
    expect(() => new HttpTransport({ baseUrl, connections: 1 })).toThrow(RangeError);
  });
});
