import { EventEmitter, once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** Reads one request off a raw socket and does as it likes with it. */
export type Behave = (socket: Socket, request: string) => void;

/** A TCP server that hands whole HTTP requests to `behave`, byte for byte, and keeps everything it got. */
export class FaultServer extends EventEmitter<{ request: []; connection: [] }> implements AsyncDisposable {
  readonly url: string;
  /** Whole requests, oldest first. */
  readonly requests: string[] = [];
  bytes = 0;
  connections = 0;
  behave: Behave;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async start(behave: Behave): Promise<FaultServer> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FaultServer(server, behave);
  }

  private constructor(server: Server, behave: Behave) {
    super();
    this.#server = server;
    this.behave = behave;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/2010-04-01`;
    server.on("connection", (socket) => this.#serve(socket));
  }

  /** Resolves once `count` requests have come in whole. */
  async requested(count: number): Promise<void> {
    while (this.requests.length < count) await once(this, "request");
  }

  /** Ends every connection in good order, as a server does with idle ones. */
  endConnections(): void {
    for (const socket of this.#sockets) socket.end();
  }

  /** Accepts no more connections on this port. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#sockets.add(socket);
    this.emit("connection");
    let received = "";
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("data", (chunk) => {
      this.bytes += chunk.length;
      received += chunk.toString("latin1");
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
      const head = received.indexOf("\r\n\r\n");
      if (head === -1 || received.length < head + 4 + length) return;
      const request = received;
      received = "";
      this.requests.push(request);
      this.behave(socket, request);
      this.emit("request");
    });
  }
}

/** An answer as it goes over the wire; `length` announces another length than the body has. */
export function http(
  status: number,
  body: string,
  headers: Record<string, string> = {},
  length?: number,
): string {
  const lines = Object.entries({
    date: "Fri, 16 Jun 2023 17:29:30 GMT",
    "content-type": "application/json",
    "content-length": String(length ?? Buffer.byteLength(body)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n${body}`;
}

/** What Twilio answers to a create. */
export function created(changes: Record<string, unknown> = {}): string {
  return JSON.stringify({
    sid: `SM${"a".repeat(32)}`,
    status: "queued",
    error_code: null,
    direction: "outbound-api",
    to: "+34600111001",
    body: "123456",
    date_created: "Fri, 16 Jun 2023 17:29:30 +0000",
    ...changes,
  });
}
