import type { OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { envelopeBytes } from "./envelopes.ts";
import type { UnaryMetadata } from "./metadata.ts";

const okHeaders = { ":status": 200, "content-type": "application/grpc+proto" };
const okTrailers = { "grpc-status": "0" };

/** Node throws where anything is sent on such a stream. */
export function isGone(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed;
}

export function answerWith(stream: ServerHttp2Stream, message: Uint8Array, metadata: UnaryMetadata): void {
  if (isGone(stream)) return;
  const envelope = Buffer.allocUnsafe(envelopeBytes + message.length);
  envelope[0] = 0;
  envelope.writeUInt32BE(message.length, 1);
  envelope.set(message, envelopeBytes);
  const { header, trailer } = metadata.set;
  const trailers = trailer === undefined ? okTrailers : { ...Object.fromEntries(trailer), ...okTrailers };
  respond(stream, header, trailers);
  stream.end(envelope);
}

export function endWith(stream: ServerHttp2Stream, error: ConnectError, metadata: UnaryMetadata): void {
  if (isGone(stream)) return;
  const { header, trailer } = metadata.set;
  const status = setTrailerStatus(new Headers(trailer), error);
  const trailers: OutgoingHttpHeaders = Object.fromEntries(status);
  trailers["grpc-message"] = readable(status.get("grpc-message") ?? "");
  if (header !== undefined) {
    respond(stream, header, trailers);
    stream.end();
    return;
  }
  // Trailers alone (gRPC over HTTP/2): the status stands in the headers, and they end the stream.
  stream.respond({ ...trailers, ...okHeaders }, { endStream: true });
}

function respond(
  stream: ServerHttp2Stream,
  header: OutgoingHttpHeaders | undefined,
  trailers: OutgoingHttpHeaders,
): void {
  stream.respond(header === undefined ? okHeaders : { ...header, ...okHeaders }, { waitForTrailers: true });
  stream.once("wantTrailers", () => {
    if (!isGone(stream)) stream.sendTrailers(trailers);
  });
}

/** @grpc/grpc-js shows "%3A" for a colon that Connect encoded. */
export function readable(message: string): string {
  return encodeURI(decodeURIComponent(message));
}
