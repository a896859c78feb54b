import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import {
  StartSignatureRequestSchema,
  StartSignatureResponseSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { isPlainCall } from "../../src/grpc/unary.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { answerOf, envelope, type RawConnection, rawConnection } from "../support/raw-grpc.ts";

const service = "bank.signature.v1.SignatureService";
const request = toBinary(StartSignatureRequestSchema, create(StartSignatureRequestSchema, aStartRequest()));
const body = envelope(request);

interface Answer {
  readonly status: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly rstCode: number;
}

interface Sent {
  readonly method?: string;
  readonly body?: Uint8Array;
  readonly headers?: OutgoingHttpHeaders;
  readonly end?: boolean;
}

/** The status wherever it stands: in the trailers, or in the headers where there is nothing else. */
function statusOf({ "grpc-status": code, "grpc-message": message, ...rest }: IncomingHttpHeaders) {
  return { code, message, details: rest["grpc-status-details-bin"] };
}

/** Connect takes an envelope that ends after its length for no message, and one that ends later for half of one. */
function kindOf({ status }: Answer) {
  const code = status["grpc-status"];
  return code === "3" || code === "12" ? "malformed" : code;
}

describe("A plain unary call", () => {
  let running: RunningServer;
  let connection: RawConnection;

  beforeAll(async () => {
    running = await runServer({ limits: { bodyTimeoutMs: 100 } });
    connection = await rawConnection(running.address);
    await running.client.startSignature(aStartRequest());
  });

  afterAll(async () => {
    connection[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
  });

  async function answerTo(contentType: string, sent: Sent): Promise<Answer> {
    const headers = { "content-type": contentType, ...sent.headers };
    const stream = connection.send(`${service}/${sent.method ?? "StartSignature"}`, { ...sent, headers });
    const chunks: Buffer[] = [];
    let status: IncomingHttpHeaders = {};
    stream.on("response", (answer) => {
      status = { ...status, ...answer };
    });
    stream.on("trailers", (trailers) => {
      status = { ...status, ...trailers };
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    await new Promise((resolve) => stream.once("close", resolve));
    return { status, body: Buffer.concat(chunks), rstCode: stream.rstCode ?? 0 };
  }

  /** What a call gets past Connect, once Connect has been seen to give the same. */
  async function bothPaths(sent: Sent, prepare = () => {}): Promise<Answer> {
    prepare();
    // The codec may be left out of the content type; clients of gRPC's own do, and those of Connect do not.
    const plain = await answerTo("application/grpc", sent);
    prepare();
    const connect = await answerTo("application/grpc+proto", sent);
    expect(statusOf(plain.status)).toEqual(statusOf(connect.status));
    expect(plain.body).toEqual(connect.body);
    expect({ http: plain.status[":status"], reset: plain.rstCode }).toEqual({
      http: connect.status[":status"],
      reset: connect.rstCode,
    });
    return plain;
  }

  it("leaves nothing on its closed stream, which V8 keeps for longer", async () => {
    const closed = new Promise<ServerHttp2Stream>((resolve) => {
      const onCreated = (event: unknown) => {
        unsubscribe("http2.server.stream.created", onCreated);
        const { stream } = event as { stream: ServerHttp2Stream };
        stream.once("close", () => resolve(stream));
      };
      subscribe("http2.server.stream.created", onCreated);
    });
    expect((await answerTo("application/grpc", { body })).status["grpc-status"]).toBe("0");
    expect((await closed).eventNames()).toEqual([]);
  });

  it("is told from all others by its headers", () => {
    const headers = {
      ":method": "POST",
      ":authority": "router.bank:50051",
      "content-type": "application/grpc",
    };
    expect(isPlainCall(headers)).toBe(true);
    expect(isPlainCall({ ...headers, "grpc-encoding": "identity", "grpc-timeout": "5S" })).toBe(true);
    for (const change of [
      { ":method": "GET" },
      { "content-type": "application/grpc+proto" },
      { "content-type": "application/grpc-web" },
      { "grpc-encoding": "gzip" },
      { expect: "100-continue" },
    ]) {
      expect(isPlainCall({ ...headers, ...change })).toBe(false);
    }
  });

  it("is answered as Connect answers it", async () => {
    const { status, body: bytes } = await bothPaths({ body });
    expect(status).toMatchObject({ ":status": 200, "grpc-status": "0" });
    expect(bytes.readUInt32BE(1)).toBe(bytes.length - 5);
    const answer = fromBinary(StartSignatureResponseSchema, bytes.subarray(5));
    expect(answer.signature?.id).toBeDefined();
  });

  it.each([
    ["no body", new Uint8Array()],
    ["half an envelope", body.subarray(0, 3)],
    ["half a message", body.subarray(0, 20)],
    ["bytes that are no message", envelope(Buffer.from("ffffffffff", "hex"))],
    ["a compressed message without a compression", Buffer.concat([Buffer.from([1]), body.subarray(1)])],
    ["two messages", Buffer.concat([body, body])],
    ["a message and a half", Buffer.concat([body, body.subarray(0, 9)])],
    ["more than the envelope says", Buffer.concat([body, Buffer.from("x")])],
    ["a message above the limit", envelope(Buffer.alloc(65_537))],
    ["an envelope that announces too much", Buffer.from("00ffffffff00", "hex")],
    ["an empty message", envelope(new Uint8Array())],
  ])("is refused as Connect refuses it: %s", async (_, bytes) => {
    const { status } = await bothPaths({ body: bytes });
    expect(status["grpc-status"]).not.toBe("0");
  });

  it("gets the same for whatever bytes", async () => {
    const damaged = fc
      .tuple(fc.nat(body.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(body.length))
      .map(([at, byte, length]) => {
        const copy = Buffer.from(body);
        copy[at] = byte;
        return copy.subarray(0, length);
      });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged), async (bytes) => {
        const plain = await answerTo("application/grpc", { body: bytes });
        const connect = await answerTo("application/grpc+proto", { body: bytes });
        expect(kindOf(plain)).toBe(kindOf(connect));
      }),
      { numRuns: 300 },
    );
  });

  it("carries errors with their details", async () => {
    const failure = new Failure("RATE_LIMITED", "too many: áé 100%", {
      retryAfterMs: 1500,
      metadata: { limit: "caller" },
    });
    const refused = await bothPaths({ body }, () => running.useCases.failNext(failure));
    expect(refused.status).toMatchObject({ "grpc-status": "8" });
    expect(refused.status["grpc-status-details-bin"]).toBeDefined();
    const broken = await bothPaths({ body }, () => running.useCases.failNext(new Error("not for callers")));
    expect(broken.status).toMatchObject({ "grpc-status": "13", "grpc-message": "internal%20error" });
  });

  it("is ended at its deadline, and by a server that waited long enough for its body", async () => {
    let held: { release(): void } | undefined;
    const hold = () => {
      held?.release();
      held = running.useCases.holdNext();
    };
    const late = await bothPaths({ body, headers: { "grpc-timeout": "20m" } }, hold);
    held?.release();
    expect(late.status).toMatchObject({ "grpc-status": "4" });
    const unfinished = await bothPaths({ body: body.subarray(0, 10), end: false });
    expect(unfinished.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  });

  it("may be given up in the middle of its body, by either side", async () => {
    using raw = await rawConnection(running.address);
    const streams = Array.from({ length: 100 }, (_, n) =>
      raw.send(`${service}/StartSignature`, { body: body.subarray(0, 5 + n), end: false }),
    );
    // Half of them by the client; the rest have used up the time that a body may take.
    for (const stream of streams.slice(0, 50)) stream.close(constants.NGHTTP2_CANCEL);
    await Promise.all(streams.map(answerOf));
    const closing = raw.send(`${service}/StartSignature`, { body: body.subarray(0, 9), end: false });
    raw.session.close();
    closing.end();
    await answerOf(closing);
    expect((await running.client.startSignature(aStartRequest())).signature?.id).toBeDefined();
  });

  it("takes a compressed message as Connect does", async () => {
    const packed = gzipSync(request);
    const compressed = Buffer.concat([Buffer.from([1]), envelope(packed).subarray(1)]);
    const { status } = await bothPaths({ body: compressed, headers: { "grpc-encoding": "gzip" } });
    expect(status).toMatchObject({ "grpc-status": "0" });
  });

  it("is not answered with more than clients take", async () => {
    await using small = await runServer({ limits: { writeMaxBytes: 10 } });
    using raw = await rawConnection(small.address);
    for (const contentType of ["application/grpc", "application/grpc+proto"]) {
      const sent = raw.send(`${service}/StartSignature`, { body, headers: { "content-type": contentType } });
      expect(await answerOf(sent)).toMatchObject({ "grpc-status": "8" });
    }
  });
});
