import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** Frame types of RFC 9113, section 6. */
export const frame = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { none: 0, endStream: 1, acknowledge: 1, endHeaders: 4 } as const;

/** One frame, whether or not the protocol allows it. */
export function frameOf(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

const literal = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);

/** A block of literal header fields without Huffman coding or indexing (RFC 7541, 6.2.2); below 127 bytes each. */
export function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** The head of a gRPC call. */
export function callHead(path: string): Buffer {
  return headerBlock([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "bank"],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
  ]);
}

export const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  frameOf(frame.settings, flag.none, 0),
]);

/** A peer that writes bytes of its own and remembers how the server ended it. */
export class Attacker implements Disposable {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;

  static async connect(address: string): Promise<Attacker> {
    const [host, port] = address.split(":");
    const socket = connect(Number(port), host);
    socket.on("error", () => {});
    await once(socket, "connect");
    return new Attacker(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", resolve));
    socket.resume();
  }

  /** Writes until it is told that the other side took it, or is gone. @returns whether it is still there */
  async write(bytes: Uint8Array): Promise<boolean> {
    if (this.socket.destroyed) return false;
    if (this.socket.write(bytes)) return true;
    await Promise.race([once(this.socket, "drain").catch(() => undefined), this.closed]);
    return !this.socket.destroyed;
  }

  /** Writes `bytes(0)`, `bytes(1)`, … in portions, until so many or until the other side has enough. */
  async flood(bytes: (n: number) => Uint8Array, times: number): Promise<void> {
    const portion = 200;
    for (let sent = 0; sent < times; sent += portion) {
      const many = Array.from({ length: Math.min(portion, times - sent) }, (_, n) => bytes(sent + n));
      if (!(await this.write(Buffer.concat(many)))) return;
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
