import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Address } from "../config/environment.ts";

export interface HttpListener {
  readonly url: string;
  close(): Promise<void>;
}

export type HttpHandler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

/** A plain HTTP server for a few small requests: tight limits, no keep-alive beyond a minute. */
export async function listenHttp(
  listen: Address,
  handler: HttpHandler,
  onError: (error: unknown) => void,
): Promise<HttpListener> {
  const server: Server = createServer(
    { maxHeaderSize: 16 * 1024, requestTimeout: 15_000, headersTimeout: 10_000, keepAliveTimeout: 60_000 },
    (request, response) => {
      Promise.resolve(handler(request, response)).catch((error: unknown) => {
        onError(error);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    },
  );
  server.maxConnections = 1000;
  server.listen(listen.port, listen.host);
  await once(server, "listening");
  return {
    url: httpUrl(server.address() as AddressInfo),
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

export function httpUrl({ address, port, family }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
