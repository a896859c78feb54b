import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type GrpcServerOptions, startGrpcServer } from "../../src/grpc/server.ts";
import { conformanceHandlers } from "./connect-service.ts";
import { openTo, schemaOf, serviceOf, unobserved } from "./schema.ts";

// The server under test of connectconformance: `node connect-server.ts <folder of the suite's proto files>`.
// It is told on stdin what to start, says on stdout where it listens, and runs until SIGTERM. Every message is
// preceded by its length in four bytes.

interface Wanted {
  readonly useTls: boolean;
  readonly clientTlsCert: Uint8Array;
  readonly messageReceiveLimit: number;
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array };
}

const schema = schemaOf(process.argv[2] ?? "");
const service = serviceOf(schema, "connectrpc.conformance.v1.ConformanceService");
const requestSchema = schema.getMessage("connectrpc.conformance.v1.ServerCompatRequest");
const responseSchema = schema.getMessage("connectrpc.conformance.v1.ServerCompatResponse");
if (requestSchema === undefined || responseSchema === undefined) throw new Error("the schema is another one");

const wanted = fromBinary(requestSchema, await firstMessage()) as unknown as Wanted;
const server = await startGrpcServer({
  listen: { host: "127.0.0.1", port: 0 },
  routes: (routes) => routes.service(service, conformanceHandlers(schema) as never),
  access: openTo(service),
  observe: unobserved,
  ...tlsOf(wanted),
  limits: {
    ...(wanted.messageReceiveLimit > 0 && { readMaxBytes: wanted.messageReceiveLimit }),
  },
});
process.once("SIGTERM", () => void server.drain(0).then(() => process.exit(0)));

const { address, port } = server.address;
const answer = toBinary(
  responseSchema,
  create(responseSchema, {
    host: address,
    port,
    pemCert: wanted.serverCreds?.cert ?? new Uint8Array(),
  } as never),
);
const length = Buffer.alloc(4);
length.writeUInt32BE(answer.length);
process.stdout.write(Buffer.concat([length, answer]));

async function firstMessage(): Promise<Buffer> {
  let read = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    read = Buffer.concat([read, chunk]);
    if (read.length >= 4 && read.length >= 4 + read.readUInt32BE(0)) break;
  }
  return read.subarray(4, 4 + read.readUInt32BE(0));
}

function tlsOf({ useTls, serverCreds, clientTlsCert }: Wanted): Pick<GrpcServerOptions, "tls"> {
  if (!useTls || serverCreds === undefined) return {};
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("utf8");
  const certificates = {
    ...{ cert: text(serverCreds.cert), key: text(serverCreds.key), clientCa: text(clientTlsCert) },
  };
  return { tls: { certificates, callers: () => ({ list: [], bySubjectAltName: new Map() }) } };
}
