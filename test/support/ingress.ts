import { EventEmitter, once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

const giveUpAfterMs = 10_000;
const pauseMs = 50;

/** What stands before the replicas' HTTP listeners at PUBLIC_URL: it passes a request to one that is alive. */
export class Ingress implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #targets = new Set<string>();
  readonly #changes = new EventEmitter();
  #turn = 0;

  static async start(): Promise<Ingress> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Ingress(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.#changes.setMaxListeners(0);
    server.on("request", (request, response) => void this.#pass(request, response));
  }

  /** @param url http://host:port of a replica; once only, it may come and go */
  add(url: string): void {
    this.#targets.add(url);
    this.#changes.emit("target");
  }

  remove(url: string): void {
    this.#targets.delete(url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const headers = {
      "content-type": request.headers["content-type"] ?? "",
      "x-twilio-signature": String(request.headers["x-twilio-signature"] ?? ""),
    };
    const until = performance.now() + giveUpAfterMs;
    while (performance.now() < until && this.#server.listening) {
      const targets = [...this.#targets];
      const target = targets[this.#turn++ % Math.max(1, targets.length)];
      try {
        if (target !== undefined) {
          const answer = await fetch(`${target}${request.url}`, { method: "POST", headers, body });
          response.writeHead(answer.status).end(await answer.text());
          return;
        }
      } catch {
        // This replica is gone, or died over the call: the next one has it.
      }
      await once(this.#changes, "target", { signal: AbortSignal.timeout(pauseMs) }).catch(() => undefined);
    }
    response.writeHead(503).end();
  }
}
