import { readFile } from "node:fs/promises";
import type { CheckpointCopy, CheckpointSink } from "../domain/checkpoint-sink.ts";

const timeoutMs = 10_000;

/**
 * An HTTP endpoint that gets each checkpoint by POST, as JSON. 2xx: it has it; 409: it has another one of that day.
 * A crash may send one twice: Idempotency-Key is its day.
 */
export class HttpSink implements CheckpointSink {
  readonly kind = "http";
  readonly name: string;
  readonly #url: URL;
  readonly #headersFile: string | undefined;

  /** @param headersFile JSON of headers by origin, read anew for each delivery: credentials may be exchanged in it */
  constructor(name: string, url: URL, headersFile: string | undefined) {
    this.name = name;
    this.#url = url;
    this.#headersFile = headersFile;
  }

  async deliver(copy: CheckpointCopy, signal: AbortSignal): Promise<"delivered" | "differs"> {
    const response = await fetch(this.#url, {
      method: "POST",
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      headers: {
        ...(await this.#headers()),
        "content-type": "application/json",
        "idempotency-key": copy.day,
      },
      body: JSON.stringify(copy),
    });
    await response.body?.cancel();
    if (response.ok) return "delivered";
    if (response.status === 409) return "differs";
    throw new Error(`the endpoint answered ${response.status}`);
  }

  async #headers(): Promise<Record<string, string>> {
    if (this.#headersFile === undefined) return {};
    const byOrigin = JSON.parse(await readFile(this.#headersFile, "utf8")) as Record<
      string,
      Record<string, string>
    >;
    return byOrigin[this.#url.origin] ?? {};
  }
}
