import type { CheckpointCopy, CheckpointSink } from "../domain/checkpoint-sink.ts";
import { endpointHeaders } from "./endpoint-headers.ts";

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

  /** @param headersFile JSON of headers by origin */
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
        ...(await endpointHeaders(this.#headersFile, this.#url)),
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
}
