import { EventEmitter, once } from "node:events";
import http, { type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export type ReceivedCallback = {
  /** As a webhook's validator must be given it. */
  url: string;
  method: string;
  headers: IncomingHttpHeaders;
  params: Record<string, string>;
};

/** A web server that takes status callbacks and keeps them; `answers` is consumed first, then it says 204. */
export class CallbackReceiver extends EventEmitter<{ received: [] }> implements AsyncDisposable {
  readonly received: ReceivedCallback[] = [];
  readonly answers: number[] = [];
  readonly url: string;
  readonly #server: http.Server;

  static async start(): Promise<CallbackReceiver> {
    const server = http.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new CallbackReceiver(server);
  }

  private constructor(server: http.Server) {
    super();
    this.#server = server;
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.url = `${origin}/twilio/status`;
    server.on("request", async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      this.received.push({
        url: `${origin}${request.url}`,
        method: request.method ?? "",
        headers: request.headers,
        params: Object.fromEntries(new URLSearchParams(body)),
      });
      response.writeHead(this.answers.shift() ?? 204).end();
      this.emit("received");
    });
  }

  /** Resolves once `count` callbacks have come. */
  async until(count: number): Promise<ReceivedCallback[]> {
    while (this.received.length < count) await once(this, "received");
    return this.received;
  }

  statuses(): string[] {
    return this.received.map(({ params }) => params["MessageStatus"] ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await Promise.resolve();
  }
}
