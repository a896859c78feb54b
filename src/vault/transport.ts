import { Agent, request } from "undici";
import { VaultError } from "./vault-error.ts";
import type { VaultClock } from "./waiting.ts";

/** Two documents of a few keys each stay far below it. */
const mostBodyBytes = 1 << 20;

/** What node-vault asks of the HTTP library that it is given. */
export interface TransportCall {
  readonly method: string;
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** Ours: node-vault hands unknown options on. */
  readonly signal: AbortSignal;
}

export interface TransportAnswer {
  readonly statusCode: number;
  readonly body: unknown;
  readonly request: { readonly path: string };
}

export interface TransportOptions {
  readonly timeoutMs: number;
  readonly clock: VaultClock;
  /** PEM, in place of the system's authorities. */
  readonly ca?: string;
  /** Whether connections are kept for later calls. Default false. */
  readonly keepAlive?: boolean;
}

/**
 * HTTP beneath node-vault in place of its axios, which has no timeout, cannot be cancelled, follows
 * redirects to other hosts with the token, goes by the environment's proxies and prints the token in its
 * errors. This one follows nothing, asks the environment nothing, and its deadline spans connection, head
 * and body.
 */
export class VaultTransport {
  readonly #options: TransportOptions;
  readonly #agent: Agent;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#agent = new Agent({
      // Where calls are rare a fresh connection for each never meets one that the server has just closed.
      pipelining: options.keepAlive ? 1 : 0,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: mostBodyBytes,
      connect: {
        timeout: options.timeoutMs,
        // Said here, since NODE_TLS_REJECT_UNAUTHORIZED and VAULT_SKIP_VERIFY would say otherwise.
        rejectUnauthorized: true,
        ...(options.ca !== undefined && { ca: options.ca }),
      },
    });
  }

  /** @throws VaultError unreachable, timeout or invalid; the signal's reason once it fired */
  async send(call: TransportCall): Promise<TransportAnswer> {
    const { signal } = call;
    signal.throwIfAborted();
    const cut = new AbortController();
    const answered = new AbortController();
    const cancel = () => cut.abort();
    signal.addEventListener("abort", cancel, { once: true });
    const late = () => cut.abort();
    this.#options.clock.sleep(this.#options.timeoutMs, answered.signal).then(late, () => {});
    try {
      return await this.#exchange(call, cut.signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof VaultError) throw error;
      if (cut.signal.aborted) {
        throw new VaultError("timeout", `Vault did not answer within ${this.#options.timeoutMs} ms`);
      }
      throw connectionFault(errorCode(error));
    } finally {
      signal.removeEventListener("abort", cancel);
      answered.abort();
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #exchange(call: TransportCall, signal: AbortSignal): Promise<TransportAnswer> {
    const json = typeof call.json === "object" ? JSON.stringify(call.json) : undefined;
    const { statusCode, body } = await request(call.uri, {
      method: call.method as "GET" | "POST",
      headers: { ...call.headers, ...(json !== undefined && { "Content-Type": "application/json" }) },
      ...(json !== undefined && { body: json }),
      dispatcher: this.#agent,
      signal,
    });
    const text = await body.text();
    // Go's server, in plain text.
    if (statusCode === 400 && text.includes("HTTP request to an HTTPS server")) {
      throw new VaultError("invalid", "VAULT_ADDR is http and the port speaks TLS: write https://");
    }
    // Without a path, node-vault does not take a KV path with "sys/health" in it for the health check.
    return { statusCode, body: parse(text, statusCode), request: { path: "" } };
  }
}

function parse(text: string, status: number): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    if (status >= 300) return undefined;
    throw new VaultError("invalid", "Vault's answer is not JSON", { status });
  }
}

/** Faults of TLS that no waiting cures; every other one may pass. */
function connectionFault(code: string): VaultError {
  if (
    code === "EPROTO" ||
    code === "ERR_SSL_WRONG_VERSION_NUMBER" ||
    code === "ERR_SSL_PACKET_LENGTH_TOO_LONG"
  ) {
    return new VaultError(
      "invalid",
      `VAULT_ADDR is https and the port does not speak TLS as we do (${code})`,
    );
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return new VaultError("invalid", `Vault's certificate is not for the host in VAULT_ADDR (${code})`);
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|CRL/.test(code)) {
    const cure = "give the authority that issued it in VAULT_CACERT";
    return new VaultError("invalid", `Vault's certificate is not trusted or not valid (${code}): ${cure}`);
  }
  return new VaultError("unreachable", `Vault cannot be reached (${code})`);
}

function errorCode(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /^[A-Z0-9_]+$/.test(code) ? code : "connection failed";
}
