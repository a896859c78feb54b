import { once } from "node:events";
import net from "node:net";

/** A statement as it went to PostgreSQL: one message chain of the extended protocol, or a simple query. */
export interface Statement {
  readonly text: string;
  /** Parameters in text form, null for NULL. */
  readonly parameters: readonly (string | null)[];
}

/** Stands between a client and PostgreSQL, passes everything on, and notes which statements were run. */
export class WireTap implements AsyncDisposable {
  readonly statements: Statement[] = [];
  /** How many statements PostgreSQL was asked to parse. */
  parses = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  static async start(databaseUrl: string): Promise<WireTap> {
    const tap = new WireTap(new URL(databaseUrl));
    tap.#server.listen(0, "127.0.0.1");
    await once(tap.#server, "listening");
    return tap;
  }

  private constructor(target: URL) {
    this.#server = net.createServer((client) => {
      const upstream = net.connect(Number(target.port), target.hostname);
      const texts = new Map<string, string>();
      let rest = Buffer.alloc(0);
      // The first message of a connection has no type byte.
      let begun = false;
      client.on("data", (chunk) => {
        upstream.write(chunk);
        rest = Buffer.concat([rest, chunk]);
        for (;;) {
          const head = begun ? 1 : 0;
          if (rest.length < head + 4) return;
          const length = head + rest.readInt32BE(head);
          if (rest.length < length) return;
          if (begun) this.#note(String.fromCharCode(rest[0] ?? 0), rest.subarray(5, length), texts);
          begun = true;
          rest = rest.subarray(length);
        }
      });
      upstream.on("data", (chunk) => client.write(chunk));
      for (const [socket, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
  }

  /** The database's address by way of this tap. */
  urlOf(databaseUrl: string): string {
    const url = new URL(databaseUrl);
    url.port = String((this.#server.address() as net.AddressInfo).port);
    return url.href;
  }

  /** Forgets what came so far. */
  clear(): void {
    this.statements.length = 0;
    this.parses = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #note(type: string, body: Buffer, texts: Map<string, string>): void {
    const reader = new Reader(body);
    if (type === "Q") this.statements.push({ text: reader.text(), parameters: [] });
    if (type === "P") {
      this.parses += 1;
      texts.set(reader.text(), reader.text());
    }
    if (type !== "B") return;
    reader.text();
    const text = texts.get(reader.text()) ?? "";
    for (let formats = reader.int16(); formats > 0; formats -= 1) reader.int16();
    const parameters = Array.from({ length: reader.int16() }, () => reader.value());
    this.statements.push({ text, parameters });
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  /** Up to the next NUL. */
  text(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    const text = this.#bytes.toString("utf8", this.#at, end);
    this.#at = end + 1;
    return text;
  }

  value(): string | null {
    const length = this.#bytes.readInt32BE(this.#at);
    this.#at += 4;
    if (length < 0) return null;
    this.#at += length;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }
}
