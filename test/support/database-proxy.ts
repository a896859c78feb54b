import { EventEmitter, once } from "node:events";
import { type AddressInfo, createServer, connect as open, type Server, type Socket } from "node:net";

/** What a client of the database meets on the way: nothing, no listener, silence, or a reset of all it had. */
export type Weather = "fair" | "refused" | "silent" | "reset";

/** Stands before a real PostgreSQL, so that a test can take it away from some and leave it to others. */
export class DatabaseProxy implements AsyncDisposable {
  readonly url: string;
  readonly #target: { host: string; port: number };
  readonly #server: Server;
  readonly #port: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #traffic = new EventEmitter();
  #weather: Weather = "fair";

  static async start(databaseUrl: string): Promise<DatabaseProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new DatabaseProxy(databaseUrl, server);
  }

  private constructor(databaseUrl: string, server: Server) {
    const url = new URL(databaseUrl);
    this.#target = { host: url.hostname, port: Number(url.port) };
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
    url.port = String(this.#port);
    url.hostname = "127.0.0.1";
    this.url = url.href;
    server.on("connection", (client) => this.#join(client));
  }

  /** Changes what connections meet, open ones included. */
  async turn(weather: Weather): Promise<void> {
    this.#weather = weather;
    if (weather === "fair") {
      // What was silent stays so: a network that comes back knows its old connections no more.
      if (!this.#server.listening) await this.#listen();
      return;
    }
    if (weather === "refused") await this.#close();
    for (const [client, server] of this.#pairs) {
      if (weather === "silent") {
        client.unpipe(server).pause();
        server.unpipe(client).pause();
      } else {
        client.resetAndDestroy();
        server.destroy();
      }
    }
  }

  /** Resolves once the server has said something so many times, to all clients together. */
  async answers(count: number): Promise<void> {
    for (let n = 0; n < count; n += 1) await once(this.#traffic, "answer");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    if (this.#server.listening) await this.#close();
  }

  #join(client: Socket): void {
    client.on("error", () => undefined);
    if (this.#weather === "reset") return void client.resetAndDestroy();
    // Accepted by the kernel, and never answered.
    if (this.#weather === "silent") return void client.pause();
    const server = open(this.#target);
    server.on("error", () => undefined);
    server.on("data", () => this.#traffic.emit("answer"));
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    client.once("close", end);
    server.once("close", end);
    client.pipe(server).pipe(client);
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Only stops listening: open connections are the weather's. */
  async #close(): Promise<void> {
    const stopped = new Promise<void>((resolve) => {
      const look = () => (this.#server.listening ? setImmediate(look) : resolve());
      look();
    });
    this.#server.close();
    await stopped;
  }
}
