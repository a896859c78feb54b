import type { Socket } from "node:net";

/**
 * The connections of one HTTP listener. One that waits for its client (for a request, for the rest of one, or idle)
 * takes no place from others: at the limit, the one that has waited longest is ended for the new one. So neither
 * half-open connections nor slow bodies keep anybody out, and idle ones may be kept as long as a load balancer likes.
 */
export class ClientConnections {
  readonly #most: number;
  readonly #open = new Set<Socket>();
  /** The longest waiting first. */
  readonly #waiting = new Set<Socket>();

  constructor(most: number) {
    this.#most = most;
  }

  add(socket: Socket): void {
    if (this.#open.size >= this.#most) {
      const [longest] = this.#waiting;
      // All others have a whole request that is being answered.
      this.#end(longest ?? socket);
      if (longest === undefined) return;
    }
    this.#open.add(socket);
    this.#waiting.add(socket);
    socket.once("close", () => this.#forget(socket));
  }

  /** A whole request has come. */
  answers(socket: Socket): void {
    this.#waiting.delete(socket);
  }

  /** It was answered. */
  waits(socket: Socket): void {
    if (this.#open.has(socket)) this.#waiting.add(socket);
  }

  #end(socket: Socket): void {
    this.#forget(socket);
    socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#open.delete(socket);
    this.#waiting.delete(socket);
  }
}
