import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "./logger.ts";
import { checkCures, type ReadinessReport } from "./readiness.ts";

export interface OpsOptions {
  /** All metrics in Prometheus' text format 0.0.4. */
  readonly metrics: () => Promise<string>;
  readonly health: { report(): ReadinessReport };
  /** The public keys of receipts as a JSON Web Key Set (RFC 7517); undefined while there are none. */
  readonly jwks: () => object | undefined;
  readonly logger: Logger;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly maxAgeSeconds?: number;
}

const json = "application/json";
const plain = "text/plain; charset=utf-8";

/** Plain HTTP for operators and their machines, on a private network: metrics, health, public keys. */
export function opsHandler(
  options: OpsOptions,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    try {
      send(request, response, await answerTo(options, request));
    } catch (error) {
      options.logger.error("operations endpoint failed", { service: "ops" }, error);
      send(request, response, { status: 500, type: plain, body: "internal error\n" });
    }
  };
}

async function answerTo(options: OpsOptions, request: IncomingMessage): Promise<Answer> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { status: 405, type: plain, body: "method not allowed\n" };
  }
  switch (request.url?.split("?", 1)[0]) {
    case "/metrics":
      return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: await options.metrics() };
    case "/livez":
      return { status: 200, type: plain, body: "ok\n" };
    case "/readyz":
      return readyz(options.health.report());
    case "/.well-known/jwks.json": {
      const keys = options.jwks();
      if (keys === undefined) break;
      return { status: 200, type: json, body: JSON.stringify(keys), maxAgeSeconds: 300 };
    }
  }
  return { status: 404, type: plain, body: "not found\n" };
}

function readyz({ ready, checks }: ReadinessReport): Answer {
  const body = {
    ready,
    checks: Object.fromEntries(
      checks.map(({ name, state, since, detail }) => {
        const cure = detail === undefined ? undefined : checkCures[detail];
        return [name, { state, since: since.toISOString(), detail, cure }];
      }),
    ),
  };
  return { status: ready ? 200 : 503, type: json, body: `${JSON.stringify(body)}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    "content-type": answer.type,
    "content-length": Buffer.byteLength(answer.body),
    "cache-control": answer.maxAgeSeconds === undefined ? "no-store" : `max-age=${answer.maxAgeSeconds}`,
    ...(answer.status === 405 && { allow: "GET, HEAD" }),
  });
  response.end(request.method === "HEAD" ? undefined : answer.body);
}
