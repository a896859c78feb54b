import { setTimeout as sleep } from "node:timers/promises";
import { type Code, ConnectError } from "@connectrpc/connect";
import { type GrpcServer, startGrpcServer } from "../../src/grpc/server.ts";
import { openTo, schemaOf, serviceOf, unobserved } from "./schema.ts";

interface Status {
  readonly code: number;
  readonly message: string;
}
interface SimpleRequest {
  readonly responseSize: number;
  readonly responseStatus?: Status;
}
interface StreamingRequest {
  readonly payload?: { readonly body: Uint8Array };
  readonly responseParameters: { readonly size: number; readonly intervalUs: number }[];
  readonly responseStatus?: Status;
}
interface Context {
  readonly requestHeader: Headers;
  readonly responseHeader: Headers;
  readonly responseTrailer: Headers;
}

/** The server under test of grpc-go's interop client: grpc.testing.TestService on a free port. */
export async function startInteropServer(): Promise<GrpcServer> {
  const service = serviceOf(schemaOf(new URL(".", import.meta.url).pathname), "grpc.testing.TestService");
  return await startGrpcServer({
    listen: { host: "127.0.0.1", port: 0 },
    routes: (routes) => routes.service(service, handlers as never),
    access: openTo(service),
    observe: unobserved,
    // large_unary sends 271,828 bytes.
    limits: { readMaxBytes: 1024 * 1024 },
  });
}

const handlers = {
  emptyCall: () => ({}),

  unaryCall({ responseSize, responseStatus }: SimpleRequest, context: Context) {
    echoMetadata(context);
    throwStatus(responseStatus);
    return { payload: { body: new Uint8Array(responseSize) }, serverId: "one" };
  },

  streamingOutputCall: (request: StreamingRequest) => payloads(request),

  async streamingInputCall(requests: AsyncIterable<StreamingRequest>) {
    let aggregatedPayloadSize = 0;
    for await (const { payload } of requests) aggregatedPayloadSize += payload?.body.length ?? 0;
    return { aggregatedPayloadSize };
  },

  async *fullDuplexCall(requests: AsyncIterable<StreamingRequest>, context: Context) {
    echoMetadata(context);
    for await (const request of requests) {
      throwStatus(request.responseStatus);
      yield* payloads(request);
    }
  },
};

async function* payloads({ responseParameters }: StreamingRequest): AsyncGenerator<object> {
  for (const { size, intervalUs } of responseParameters) {
    await sleep(intervalUs / 1000);
    yield { payload: { body: new Uint8Array(size) } };
  }
}

function echoMetadata({ requestHeader, responseHeader, responseTrailer }: Context): void {
  for (const [name, into] of [
    ["x-grpc-test-echo-initial", responseHeader],
    ["x-grpc-test-echo-trailing-bin", responseTrailer],
  ] as const) {
    const value = requestHeader.get(name);
    if (value !== null) into.set(name, value);
  }
}

function throwStatus(status: Status | undefined): void {
  if (status !== undefined && status.code !== 0) throw new ConnectError(status.message, status.code as Code);
}
