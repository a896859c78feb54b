import { once } from "node:events";
import { constants } from "node:http2";
import { connect } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StartSignatureRequestSchema } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { defaultQuotas } from "../../src/grpc/limits.ts";
import { grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { answerOf, envelope, rawConnection } from "../support/raw-grpc.ts";

const start = "bank.signature.v1.SignatureService/StartSignature";
const body = envelope(
  toBinary(StartSignatureRequestSchema, create(StartSignatureRequestSchema, aStartRequest())),
);

describe("the server under hostile requests", () => {
  let running: RunningServer;
  beforeEach(async () => {
    running = await runServer({ limits: { bodyTimeoutMs: 100, resetBurst: 50, resetsPerSecond: 10 } });
  });
  afterEach(async () => {
    // Whatever was sent, everyone else is still served.
    expect((await running.client.startSignature(aStartRequest())).signature?.id).toBeDefined();
    await running[Symbol.asyncDispose]();
  });

  it("refuses a message above 64 KiB as RESOURCE_EXHAUSTED", async () => {
    const error = await grpcError(
      running.client.startSignature(aStartRequest({ firstFactor: "f".repeat(65_536) })),
    );
    expect(error.code).toBe("RESOURCE_EXHAUSTED");
    expect(await running.calls.of("StartSignature")).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });

  it("reads any message within the bounds, however long its characters are", async () => {
    const long = (count: number) => "\u{1f600}".repeat(count);
    const attributes = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [long(62) + (10 + i), long(256)]),
    );
    const transaction = {
      type: long(64),
      payee: long(140),
      reference: long(140),
      description: long(280),
      attributes,
    };
    const request = aStartRequest({
      customerId: long(128),
      firstFactor: long(128),
      transaction,
      idempotencyKey: "long",
    });
    expect((await running.client.startSignature(request)).replayed).toBe(false);
  });

  it("refuses headers above 16 KiB and stays open for more", async () => {
    const metadata = { "x-long": "v".repeat(20_000) };
    const error = await grpcError(running.client.startSignature(aStartRequest(), { metadata }));
    expect(error.code).toBe("RESOURCE_EXHAUSTED");
  });

  it.each([
    ["bytes that are no message", envelope(Buffer.from("ffffffffff", "hex"))],
    ["a message cut short", body.subarray(0, 20)],
  ])("answers %s as INVALID_ARGUMENT, not as a fault of its own", async (_, bytes) => {
    using connection = await rawConnection(running.address);
    const answer = await answerOf(connection.send(start, { body: bytes }));
    expect(answer).toMatchObject({ "grpc-status": "3", "grpc-message": "the%20request%20is%20unreadable" });
    expect(await running.calls.of("StartSignature")).toMatchObject({ reason: "INVALID_REQUEST" });
  });

  it("answers an unknown method as UNIMPLEMENTED and observes it under a name of its own", async () => {
    using connection = await rawConnection(running.address);
    expect(
      await answerOf(connection.send("bank.signature.v1.SignatureService/Steal", { body })),
    ).toMatchObject({
      ":status": 200,
      "grpc-status": "12",
    });
    expect(await running.calls.of("_OTHER")).toMatchObject({ service: "_OTHER", code: "UNIMPLEMENTED" });
  });

  it.each([
    ["grpc-web", "application/grpc-web+proto"],
    ["Connect", "application/proto"],
    ["a browser", "text/html"],
  ])("speaks gRPC alone, not %s", async (_, contentType) => {
    using connection = await rawConnection(running.address);
    const answer = await answerOf(connection.send(start, { body, headers: { "content-type": contentType } }));
    expect(answer[":status"]).toBe(415);
    // Not a fault of the service's own, which would alert.
    expect(await running.calls.of("StartSignature")).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("serves a request whatever it expects, and takes none for a tunnel", async () => {
    using connection = await rawConnection(running.address);
    const expecting = connection.send(start, { body, headers: { expect: "more" } });
    expect(await answerOf(expecting)).toMatchObject({ "grpc-status": "0" });
    const tunnel = connection.session.request({ ":method": "CONNECT", ":authority": "bank:443" });
    tunnel.on("error", () => {});
    expect(await answerOf(tunnel)).toMatchObject({ ":status": 415 });
    expect(tunnel.rstCode).toBe(11);
    expect(await running.calls.of("_OTHER")).toBeDefined();
  });

  it("ends a unary request that does not arrive in time", async () => {
    using connection = await rawConnection(running.address);
    const stream = connection.send(start, { body: body.subarray(0, 10), end: false });
    await answerOf(stream);
    expect(stream.rstCode).toBe(11);
    expect(await running.calls.of("StartSignature")).toMatchObject({ code: "CANCELLED" });
  });

  it("ends a request to an unknown method, too, once it has been answered long enough", async () => {
    using connection = await rawConnection(running.address);
    const stream = connection.send("no.such.Service/Method", { body, end: false });
    expect(await answerOf(stream)).toMatchObject({ "grpc-status": "12" });
    expect(stream.rstCode).toBe(11);
  });

  it("refuses calls beyond the most at once unread, over all connections, and takes them again", async () => {
    const all = { connections: 10, calls: 5, streams: 4 };
    await using small = await runServer({ limits: { quotas: { ...defaultQuotas, all } } });
    using one = await rawConnection(small.address);
    using other = await rawConnection(small.address);
    const held = Array.from({ length: 5 }, () => one.send(start, { body: body.subarray(0, 10), end: false }));
    await new Promise((resolve) => one.session.ping(resolve));
    const refused = other.send(start, { body: body.subarray(0, 10), end: false });
    expect(await answerOf(refused)).toMatchObject({
      "grpc-status": "14",
      "grpc-message": "the%20server%20has%20too%20many%20calls%20at%20once",
    });
    // Its client has not ended it, and holds nothing all the same.
    expect(refused.closed).toBe(true);
    expect(await small.calls.of("StartSignature")).toMatchObject({ reason: "SERVICE_UNAVAILABLE" });
    for (const stream of held) stream.close(constants.NGHTTP2_CANCEL);
    while (small.server.held.calls > 0) await new Promise((resolve) => one.session.ping(resolve));
    expect(await answerOf(other.send(start, { body }))).toMatchObject({ "grpc-status": "0" });
  });

  it("ends a connection that resets streams without end", async () => {
    using connection = await rawConnection(running.address);
    const closed = new Promise((resolve) => connection.session.once("close", resolve));
    // Fewer than the thousand that Node itself would bear.
    for (let i = 0; i < 400; i++) connection.send(start, { body }).close(constants.NGHTTP2_CANCEL);
    await closed;
  });

  it("drops what does not speak HTTP/2", async () => {
    const [host, port] = running.address.split(":") as [string, string];
    const socket = connect(Number(port), host);
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    socket.resume();
    await once(socket, "close");
  });
});
