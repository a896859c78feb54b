import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import type { CallContext } from "./call.ts";

type Metadata = Pick<CallContext, "requestHeader" | "responseHeader" | "responseTrailer">;

/** Metadata of a unary call, as Connect would give it to the handler; most handlers ask for none of it. */
export class UnaryMetadata implements Metadata {
  readonly #received: IncomingHttpHeaders;
  #request: Headers | undefined;
  #header: Headers | undefined;
  #trailer: Headers | undefined;

  constructor(received: IncomingHttpHeaders) {
    this.#received = received;
  }

  get requestHeader(): Headers {
    this.#request ??= toHeaders(this.#received);
    return this.#request;
  }

  get responseHeader(): Headers {
    this.#header ??= new Headers();
    return this.#header;
  }

  get responseTrailer(): Headers {
    this.#trailer ??= new Headers();
    return this.#trailer;
  }

  /** What the handler set, undefined where it set nothing. */
  get set(): { readonly header: OutgoingHttpHeaders | undefined; readonly trailer: Headers | undefined } {
    const header = this.#header && Object.fromEntries(this.#header);
    const hasHeader = header !== undefined && Object.keys(header).length > 0;
    return { header: hasHeader ? header : undefined, trailer: this.#trailer };
  }
}

function toHeaders(received: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    if (name.startsWith(":") || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one);
  }
  return headers;
}
