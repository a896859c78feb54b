import type { IncomingMessage, ServerResponse } from "node:http";
import type { TimerGroup } from "./timers.ts";

/** Headers on every answer, errors included, as recorded from api.twilio.com. */
const fixedHeaders = {
  "Access-Control-Allow-Origin": "*",
  "Access-Control-Allow-Headers":
    "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since, Idempotency-Key",
  "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
  "Access-Control-Expose-Headers": "ETag",
  "Access-Control-Allow-Credentials": "true",
  "X-Powered-By": "AT-5000",
  "X-Shenanigans": "none",
  "X-Home-Region": "us1",
  "X-Api-Domain": "api.twilio.com",
  "Strict-Transport-Security": "max-age=31536000",
};

const dripEveryMs = 200;
const dripBytes = 16;

export type Answer = {
  status: number;
  body: string;
  contentType?: string;
  headers?: Readonly<Record<string, string>>;
};

type Deps = {
  request: IncomingMessage;
  response: ServerResponse;
  requestId: string;
  /** Calls being answered, this one included. */
  concurrency: number;
  clock: () => number;
  timers: TimerGroup;
};

/** One request and the ways, good and bad, in which it can be answered. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly concurrency: number;
  readonly #deps: Deps;
  readonly #startedAt = performance.now();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.request = deps.request;
    this.concurrency = deps.concurrency;
    const [path = "", query = ""] = (deps.request.url ?? "").split("?", 2);
    this.path = path;
    this.query = new URLSearchParams(query);
  }

  send(answer: Answer): void {
    this.#writeHead(answer);
    this.#deps.response.end(answer.body);
  }

  /** Announces the whole body, writes half of it and closes the connection. */
  sendTruncated(answer: Answer): void {
    const { response } = this.#deps;
    this.#writeHead(answer);
    response.write(answer.body.slice(0, answer.body.length / 2), () => response.socket?.destroy());
  }

  sendDripping(answer: Answer, everyMs = dripEveryMs, bytes = dripBytes): void {
    const { response, timers } = this.#deps;
    const body = Buffer.from(answer.body);
    this.#writeHead(answer);
    const drip = (from: number): void => {
      if (response.destroyed) return;
      response.write(body.subarray(from, from + bytes));
      if (from + bytes >= body.length) response.end();
      else timers.after(everyMs, () => drip(from + bytes));
    };
    drip(0);
  }

  /** Ends the connection with a TCP reset, without an answer. */
  reset(): void {
    this.request.socket.resetAndDestroy();
  }

  #writeHead({ status, body, contentType, headers }: Answer): void {
    const { response, requestId, concurrency, clock } = this.#deps;
    response.writeHead(status, {
      Date: httpDate(clock()),
      ...(status === 204 ? {} : { "Content-Type": contentType ?? "application/json" }),
      ...(status === 204 ? {} : { "Content-Length": Buffer.byteLength(body) }),
      "Twilio-Request-Id": requestId,
      "Twilio-Request-Duration": ((performance.now() - this.#startedAt) / 1000).toFixed(3),
      "Twilio-Concurrent-Requests": String(concurrency),
      ...fixedHeaders,
      ...headers,
    });
  }
}

let lastSecond = Number.NaN;
let lastDate = "";

/** The Date header by the double's clock; formatting it is dear, and many answers share a second. */
function httpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastDate = new Date(ms).toUTCString();
  }
  return lastDate;
}
