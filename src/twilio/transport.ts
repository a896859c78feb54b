import { type Dispatcher, Pool } from "undici";
import { type CallPermit, LeaseLost } from "../domain/provider.ts";

/** A list page of 50 messages of 1,600 characters stays below it. */
const mostBodyBytes = 1 << 20;

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** Below the base URL, with a leading slash; already percent-encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; repeated ones joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type TransportFault = "timeout" | "connection" | "unreadable";

/** An exchange that gave no whole answer. */
export class TransportFailure extends Error {
  override readonly name = "TransportFailure";
  readonly fault: TransportFault;
  /** False where it is certain that no byte of the request reached the socket. */
  readonly written: boolean;
  /** The status, where the head of an answer came. */
  readonly status: number | undefined;

  constructor(fault: TransportFault, written: boolean, status: number | undefined, cause?: unknown) {
    super(`${fault} ${written ? "after" : "before"} the request was written`, { cause });
    this.fault = fault;
    this.written = written;
    this.status = status;
  }
}

export interface TransportOptions {
  /** https, or http to loopback; a path is kept as a prefix. */
  readonly baseUrl: string;
  /** HTTP/1.1 carries one call a connection: at least as many as there are calls at once. */
  readonly connections: number;
}

/**
 * HTTP to one origin over a bounded pool. It follows no redirect and makes no second attempt; the
 * signal of each call is its only timeout and spans queue, connection, head and body.
 */
export class HttpTransport {
  readonly #pool: Pool;
  readonly #prefix: string;

  /** @throws RangeError where the base URL is of another kind */
  constructor(options: TransportOptions) {
    const url = checkedBaseUrl(options.baseUrl);
    this.#prefix = url.pathname.replace(/(?<!\/)\/+$/, "");
    this.#pool = new Pool(url.origin, {
      connections: options.connections,
      // Only HTTP/1.1 with one request a connection tells which bytes were written, and which were not.
      allowH2: false,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /**
   * Makes one exchange. The permit is asked in the same turn in which undici writes to the socket, so a
   * process that was stopped before it writes nothing when it wakes up too late.
   * @throws TransportFailure for every other end than a whole answer
   * @throws LeaseLost where the permit is refused; nothing was written
   */
  exchange(request: HttpRequest, signal: AbortSignal, permit?: CallPermit): Promise<HttpAnswer> {
    const exchange = new Exchange(permit);
    if (signal.aborted) {
      exchange.abort(signal.reason);
      return exchange.answer;
    }
    const abort = () => exchange.abort(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const { method, headers, body } = request;
    this.#pool.dispatch({ method, path: this.#prefix + request.path, headers, body: body ?? null }, exchange);
    return exchange.answer.finally(() => signal.removeEventListener("abort", abort));
  }

  /** Ends every connection; calls in flight end as failures. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

/** Listens to undici about one exchange and settles it once. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpAnswer>;
  readonly #permit: CallPermit | undefined;
  readonly #settle: PromiseWithResolvers<HttpAnswer>;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #settled = false;
  #controller: Dispatcher.DispatchController | undefined;
  #status: number | undefined;
  #headers: Record<string, string> = {};

  constructor(permit: CallPermit | undefined) {
    this.#permit = permit;
    this.#settle = Promise.withResolvers();
    this.answer = this.#settle.promise;
  }

  abort(reason: unknown): void {
    this.#fail("timeout", reason);
  }

  /** undici calls this right before it writes; what is thrown here keeps it from writing. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#settled) throw new Error("the call was given up before it began");
    if (this.#controller !== undefined) throw new Error("a request is never written twice");
    if (this.#permit?.mayBegin() === false) {
      const lost = new LeaseLost();
      this.#settled = true;
      this.#settle.reject(lost);
      throw lost;
    }
    this.#controller = controller;
  }

  onResponseStart(_: unknown, status: number, headers: Record<string, string | string[] | undefined>): void {
    if (status < 200) return;
    this.#status = status;
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.#headers[name] = Array.isArray(value) ? value.join(", ") : value;
    }
  }

  onResponseData(_: unknown, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > mostBodyBytes) this.#fail("unreadable", new Error("the answer is too long"));
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.#settled || this.#status === undefined) return;
    this.#settled = true;
    const body = Buffer.concat(this.#chunks).toString("utf8");
    this.#settle.resolve({ status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_: unknown, error: Error): void {
    // A head without its whole body is an answer that cannot be read.
    this.#fail(this.#status === undefined ? "connection" : "unreadable", error);
  }

  #fail(fault: TransportFault, cause: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    const failure = new TransportFailure(fault, this.#controller !== undefined, this.#status, cause);
    this.#settle.reject(failure);
    this.#controller?.abort(failure);
  }
}

/** When it was answered, by the server's clock: its Date header, in whole seconds. */
export function dateOf(answer: HttpAnswer): Date | undefined {
  return httpDate(answer.headers["date"] ?? "");
}

/** A date as headers carry it, e.g. "Sun, 22 Nov 2026 12:00:00 GMT" (RFC 9110, 5.6.7). */
export function httpDate(text: string): Date | undefined {
  // Date.parse alone takes "-1" for a date.
  const ms = /^[A-Z][a-z]{2}, .* GMT$/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : new Date(ms);
}

function checkedBaseUrl(text: string): URL {
  const url = new URL(text);
  const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    throw new RangeError("the API URL must be https, or http to loopback");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new RangeError("the API URL must have no credentials, query or fragment");
  }
  return url;
}
