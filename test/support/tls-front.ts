import { once } from "node:events";
import { type AddressInfo, createServer, connect as open, type Server, type Socket } from "node:net";
import { TLSSocket, type TlsOptions } from "node:tls";

/** Speaks TLS before a real PostgreSQL, as a server with `ssl = on` does; without options it says that it has none. */
export class TlsFront implements AsyncDisposable {
  readonly port: number;
  /** Whether the last connection was encrypted. */
  encrypted = false;
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #tls: TlsOptions | undefined;
  readonly #sockets = new Set<Socket>();

  static async start(databaseUrl: string, tls?: TlsOptions): Promise<TlsFront> {
    const server = createServer().listen(0);
    await once(server, "listening");
    return new TlsFront(databaseUrl, server, tls);
  }

  private constructor(databaseUrl: string, server: Server, tls: TlsOptions | undefined) {
    const { hostname, port } = new URL(databaseUrl);
    this.#target = { host: hostname, port: Number(port) };
    this.#server = server;
    this.#tls = tls;
    this.port = (server.address() as AddressInfo).port;
    server.on("connection", (client) => {
      this.#keep(client).once("data", (first) => this.#greet(client, first));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  /** The first message is a request for TLS (80877103), or the beginning of a session. */
  #greet(client: Socket, first: Buffer): void {
    const asked = first.length === 8 && first.readInt32BE(4) === 80_877_103;
    this.encrypted = asked && this.#tls !== undefined;
    if (!asked) {
      this.#join(client, first);
    } else if (this.#tls === undefined) {
      client.write("N");
      client.once("data", (next) => this.#join(client, next));
    } else {
      client.write("S");
      this.#join(this.#keep(new TLSSocket(client, { isServer: true, ...this.#tls })));
    }
  }

  #join(client: Socket, first?: Buffer): void {
    const server = this.#keep(open(this.#target));
    if (first !== undefined) server.write(first);
    client.pipe(server).pipe(client);
    client.once("close", () => server.destroy());
    server.once("close", () => client.destroy());
  }

  #keep<One extends Socket>(socket: One): One {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }
}
