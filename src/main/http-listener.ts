import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Address } from "../config/environment.ts";
import type { Clock } from "../domain/clock.ts";
import { ClientConnections } from "./client-connections.ts";
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

export interface HttpLimits {
  /** Connections at once; beyond them, those that wait for their client give way to new ones. */
  readonly connections: number;
  /** How long a connection is kept on which nothing comes. */
  readonly keepAliveMs: number;
  /** What the head of a request may take, and the whole of it. */
  readonly headMs: number;
  readonly requestMs: number;
  /** How often connections are looked at for these times. */
  readonly lookMs: number;
}

export const httpLimits: HttpLimits = {
  connections: 1000,
  keepAliveMs: 620_000,
  headMs: 10_000,
  requestMs: 15_000,
  lookMs: 1_000,
};

/** A plain HTTP server for a few small requests. */
export async function listenHttp(
  listen: Address,
  handler: HttpHandler,
  onError: (error: unknown) => void,
  change: Partial<HttpLimits> = {},
): Promise<HttpListener> {
  const limits = { ...httpLimits, ...change };
  const underWay = new Set<Promise<unknown>>();
  const connections = new ClientConnections(limits.connections);
  const server: Server = createServer(
    {
      maxHeaderSize: 16 * 1024,
      requestTimeout: limits.requestMs,
      headersTimeout: limits.headMs,
      keepAliveTimeout: limits.keepAliveMs,
      connectionsCheckingInterval: limits.lookMs,
    },
    (request, response) => {
      const { socket } = request;
      const answers = () => connections.answers(socket);
      if (hasBody(request)) request.once("end", answers);
      else answers();
      // Written; now it waits for its client to read it.
      response.once("prefinish", () => connections.waits(socket));
      response.once("close", () => connections.waits(socket));
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
  server.on("connection", (socket: Socket) => connections.add(socket));
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

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

export function httpUrl({ address, port, family }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
