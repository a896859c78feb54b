import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import * as grpc from "@grpc/grpc-js";

/** How calls are made: by the foreign client, or by hand over HTTP/2 at a third of its cost. */
export type ClientKind = "grpc-js" | "http2";

export interface Answer {
  /** Number of the gRPC code; 14 where there was none. */
  readonly code: number;
  readonly message: Uint8Array;
}

export type Call = (path: string, message: Uint8Array) => Promise<Answer>;

/** Every call has one, as a bank's calls do. */
const deadlineMs = 20_000;
const nothing = new Uint8Array();

/** Calls spread over so many connections, one for each address at least. */
export async function caller(
  kind: ClientKind,
  addresses: readonly string[],
  connections: number,
): Promise<{ call: Call; close(): void }> {
  const targets = Array.from(
    { length: Math.max(connections, addresses.length) },
    (_, n) => addresses[n % addresses.length] ?? "",
  );
  const opened = await Promise.all(targets.map(kind === "http2" ? overHttp2 : overGrpcJs));
  let turn = 0;
  return {
    call: (path, message) => {
      turn = (turn + 1) % opened.length;
      return (opened[turn] ?? opened[0]!).call(path, message);
    },
    close: () => {
      for (const { close } of opened) close();
    },
  };
}

async function overGrpcJs(address: string): Promise<{ call: Call; close(): void }> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  await new Promise<void>((resolve, reject) =>
    client.waitForReady(Date.now() + 5000, (error) => (error ? reject(error) : resolve())),
  );
  const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    call: (path, message) =>
      new Promise((resolve) => {
        client.makeUnaryRequest<Uint8Array, Uint8Array>(
          path,
          asIs,
          asIs,
          message,
          { deadline: Date.now() + deadlineMs },
          (error, answer) => resolve({ code: error?.code ?? 0, message: answer ?? nothing }),
        );
      }),
    close: () => client.close(),
  };
}

async function overHttp2(address: string): Promise<{ call: Call; close(): void }> {
  const session = http2.connect(`http://${address}`, { settings: { enablePush: false } });
  session.on("error", () => {});
  await once(session, "connect");
  return { call: (path, message) => callOver(session, path, message), close: () => session.close() };
}

function callOver(session: ClientHttp2Session, path: string, message: Uint8Array): Promise<Answer> {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    "grpc-timeout": `${deadlineMs}m`,
  });
  stream.end(frame);
  const chunks: Buffer[] = [];
  let code = 14;
  const note = (headers: http2.IncomingHttpHeaders) => {
    if (headers["grpc-status"] !== undefined) code = Number(headers["grpc-status"]);
  };
  stream.on("response", note);
  stream.on("trailers", note);
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  return new Promise((resolve) =>
    stream.once("close", () => resolve({ code, message: Buffer.concat(chunks).subarray(5) })),
  );
}
