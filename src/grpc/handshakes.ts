import type { Socket } from "node:net";

/**
 * Connections of which it is not known yet who they are. A client that connects and then says nothing takes no
 * place from others: at the limit the one that has said nothing for the longest is ended for a new one.
 */
export class Handshakes {
  readonly #most: number;
  /** By their ends, in the order they came: with TLS a session has another socket than its connection. */
  readonly #waiting = new Map<string, Socket>();

  constructor(most: number) {
    this.#most = most;
  }

  add(socket: Socket): void {
    const ends = endsOf(socket);
    const [longest] = this.#waiting;
    if (longest !== undefined && this.#waiting.size >= this.#most) {
      this.#waiting.delete(longest[0]);
      longest[1].destroy();
    }
    this.#waiting.set(ends, socket);
    socket.once("close", () => {
      if (this.#waiting.get(ends) === socket) this.#waiting.delete(ends);
    });
  }

  /** Its peer is known, or has at least spoken. */
  done(socket: Pick<Socket, "remoteAddress" | "remotePort" | "localAddress">): void {
    this.#waiting.delete(endsOf(socket));
  }
}

function endsOf(socket: Pick<Socket, "remoteAddress" | "remotePort" | "localAddress">): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`;
}
