import { once } from "node:events";
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from "node:http2";

export interface RawRequest {
  readonly headers?: http2.OutgoingHttpHeaders;
  readonly body?: Uint8Array;
  /** False leaves the request open, as a slow or broken client would. */
  readonly end?: boolean;
}

/** gRPC by hand over HTTP/2, for what no gRPC client would send. */
export class RawConnection implements Disposable {
  readonly session: ClientHttp2Session;

  constructor(session: ClientHttp2Session) {
    this.session = session;
  }

  /** @param path without the leading slash */
  send(path: string, request: RawRequest = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ":method": "POST",
      ":path": `/${path}`,
      "content-type": "application/grpc",
      te: "trailers",
      ...request.headers,
    });
    stream.on("error", () => {});
    if (request.body) stream.write(request.body);
    if (request.end !== false) stream.end();
    return stream;
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}

export async function rawConnection(
  address: string,
  options: http2.SecureClientSessionOptions = {},
): Promise<RawConnection> {
  const session = http2.connect(`http://${address}`, options);
  session.on("error", () => {});
  await once(session, "connect");
  return new RawConnection(session);
}

/** One message as gRPC frames it. */
export function envelope(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** Status and headers of an answer: from the trailers, or from the headers where there are no others. */
export async function answerOf(
  stream: ClientHttp2Stream,
): Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader> {
  let answer: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
  stream.on("response", (headers) => {
    answer = { ...answer, ...headers };
  });
  stream.on("trailers", (trailers) => {
    answer = { ...answer, ...trailers };
  });
  stream.resume();
  if (!stream.destroyed) await new Promise((resolve) => stream.once("close", resolve));
  return answer;
}
