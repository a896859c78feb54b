import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Address } from "../config/environment.ts";
import type { Clock } from "../domain/clock.ts";
import { toOriginForm } from "./origin-form.ts";

export interface HttpListener {
  readonly url: string;
  /**
   * Takes nothing more, lets what is under way end for so many milliseconds, and cuts the connections. Resolves once
   * no handler runs any more, whether or not somebody still waits for its answer.
   */
  close(graceMs: number, clock: Clock): Promise<void>;
}

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** A plain HTTP server for a few small requests: tight limits, no keep-alive beyond a minute. */
export async function listenHttp(
  listen: Address,
  handler: HttpHandler,
  onError: (error: unknown) => void,
): Promise<HttpListener> {
  const underWay = new Set<Promise<unknown>>();
  const server: Server = createServer(
    { maxHeaderSize: 16 * 1024, requestTimeout: 15_000, headersTimeout: 10_000, keepAliveTimeout: 60_000 },
    (request, response) => {
      if (!server.listening) return void response.writeHead(503, { connection: "close" }).end();
      toOriginForm(request);
      const handled = Promise.resolve(handler(request, response)).catch((error: unknown) => {
        onError(error);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
      const left = new Promise((resolve) => response.once("close", resolve));
      const over = Promise.all([handled, left]).finally(() => underWay.delete(over));
      underWay.add(over);
    },
  );
  server.maxConnections = 1000;
  server.listen(listen.port, listen.host);
  await once(server, "listening");
  return {
    url: httpUrl(server.address() as AddressInfo),
    async close(graceMs, clock) {
      const closed = once(server, "close");
      server.close();
      const waited = new AbortController();
      await Promise.race([Promise.all(underWay), clock.sleep(graceMs, waited.signal).catch(() => undefined)]);
      waited.abort();
      server.closeAllConnections();
      await Promise.all([closed, ...underWay]);
    },
  };
}

export function httpUrl({ address, port, family }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
