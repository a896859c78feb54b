import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { CheckpointCopy, CheckpointSink } from "../domain/checkpoint-sink.ts";
import { endpointHeaders } from "./endpoint-headers.ts";
import { TimeStampFault } from "./time-stamp-fault.ts";
import { trustAnchors } from "./trust-anchors.ts";

const timeoutMs = 10_000;
/** A token with its certificates has 2 to 8 KiB. */
const mostBytes = 65_536;

interface Options {
  /** JSON of headers by origin. */
  readonly headersFile: string | undefined;
  /** PEM of the trusted authorities, read for each delivery. */
  readonly caFile: string;
}

/**
 * A time-stamp authority (RFC 3161 over HTTP). It gets the SHA-256 of the checkpoint's statement, and its token is
 * checked before it is kept. The library for ASN.1 is loaded with the first delivery.
 */
export class TimeStampSink implements CheckpointSink {
  readonly kind = "tsa";
  readonly name: string;
  readonly #url: URL;
  readonly #options: Options;

  constructor(name: string, url: URL, options: Options) {
    this.name = name;
    this.#url = url;
    this.#options = options;
  }

  async deliver(copy: CheckpointCopy, signal: AbortSignal): Promise<{ token: Uint8Array }> {
    const { timeStampRequest, grantedToken } = await import("./time-stamp-request.ts");
    const { checkTimeStamp } = await import("./time-stamp-check.ts");
    const anchors = trustAnchors(await readFile(this.#options.caFile));
    const digest = Buffer.from(copy.hash, "hex");
    const nonce = randomBytes(16);
    // Positive, and without a leading zero: the one spelling of its INTEGER.
    nonce[0] = ((nonce[0] ?? 0) & 0x7f) | 0x40;
    const answer = await this.#ask(timeStampRequest(digest, nonce), signal);
    const token = grantedToken(answer);
    checkTimeStamp(token, { day: copy.day, digest, nonce }, anchors);
    return { token };
  }

  async #ask(request: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<Buffer> {
    const response = await fetch(this.#url, {
      method: "POST",
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      headers: {
        ...(await endpointHeaders(this.#options.headersFile, this.#url)),
        "content-type": "application/timestamp-query",
        accept: "application/timestamp-reply",
      },
      body: request,
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new Error(`the authority answered ${response.status}`);
    }
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body ?? []) {
      size += part.length;
      if (size > mostBytes) throw new TimeStampFault("NOT_A_TOKEN");
      parts.push(part);
    }
    return Buffer.concat(parts);
  }
}
