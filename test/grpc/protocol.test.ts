import { constants } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import {
  SignatureService,
  StartSignatureRequestSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { grpcContentType } from "../../src/grpc/content-type.ts";
import { signatureService } from "../../src/grpc/signature-service.ts";
import { grpcClient, grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { answerOf, envelope, type RawConnection, rawConnection } from "../support/raw-grpc.ts";
import { SignatureUseCases } from "../support/signature-use-cases.ts";

const start = `${SignatureService.typeName}/StartSignature`;
const watch = `${SignatureService.typeName}/WatchSignature`;
const message = toBinary(StartSignatureRequestSchema, create(StartSignatureRequestSchema, aStartRequest()));
const body = envelope(message);
const flagged = Buffer.concat([Buffer.from([1]), body.subarray(1)]);
/** The first goes past Connect, the second through it. */
const paths = ["application/grpc", "application/grpc+proto"];

let running: RunningServer;
let connection: RawConnection;
beforeAll(async () => {
  running = await runServer();
  connection = await rawConnection(running.address);
});
afterAll(async () => {
  connection[Symbol.dispose]();
  await running[Symbol.asyncDispose]();
});

function call(contentType: string, headers: Record<string, string> = {}, bytes = body, path = start) {
  return answerOf(
    connection.send(path, { body: bytes, headers: { "content-type": contentType, ...headers } }),
  );
}

describe("An authority", () => {
  it.each([
    "signature-router-v1.2",
    "signature.prod.50051",
    "%2Fvar%2Frun%2Fsig.sock",
    "10.0.0.1:50051,10.0.0.2:50051",
    "127.0.0.1%3A50051%2C127.0.0.1%3A50052",
    "[",
    "%%",
    "host:99999",
    "localhost",
    "a..b",
  ])("is served that is %s", async (authority) => {
    for (const path of paths) {
      expect(await call(path, { ":authority": authority })).toMatchObject({ "grpc-status": "0" });
    }
  });

  it("is served whatever HTTP/2 lets through", async () => {
    // RFC 3986, 3.2, without the "@" of a user, which HTTP/2 forbids (RFC 9113, 8.3.1).
    const characters = [..."abcXYZ019-._~!$&'()*+,;=:%[]"];
    const authorities = fc
      .array(fc.constantFrom(...characters), { minLength: 1, maxLength: 40 })
      .map((all) => all.join(""));
    await fc.assert(
      fc.asyncProperty(authorities, fc.constantFrom(...paths), async (authority, path) => {
        expect(await call(path, { ":authority": authority })).toMatchObject({ "grpc-status": "0" });
      }),
      { numRuns: 200 },
    );
  });

  it("is served that a gRPC client puts there", async () => {
    const client = grpcClient(SignatureService, running.address, undefined, {
      "grpc.default_authority": "signature-router-v1.2",
    });
    expect((await client.startSignature(aStartRequest())).signature?.id).toBeDefined();
    client.close();
  });
});

describe("A content type", () => {
  it.each([
    "application/grpc;charset=utf-8",
    "application/grpc; charset=utf-8",
    "application/grpc ;v=1;w=2",
    "application/grpc;",
    "Application/GRPC",
    "application/grpc+proto;charset=utf-8",
    "application/grpc+PROTO ; x",
  ])("is served that is %s", async (contentType) => {
    expect(await call(contentType)).toMatchObject({ ":status": 200, "grpc-status": "0" });
  });

  it.each([
    "application/grpc-web",
    "application/grpc+thrift",
    "application/grpc charset",
    "application/grpcs;x",
    "text/plain;application/grpc",
    "",
  ])("is refused that is %s", async (contentType) => {
    expect(grpcContentType(contentType)).toBeUndefined();
    expect(await call(contentType)).toMatchObject({ ":status": 415 });
  });
});

describe("A call that gRPC itself refuses", () => {
  it.each(paths)("has its grpc-timeout named: %s", async (path) => {
    for (const timeout of ["123456789m", "soon", "-1S", "5", "5s", "1.5S", ""]) {
      const refused = await call(path, { "grpc-timeout": timeout });
      expect(refused["grpc-status"], timeout).toBe("3");
      expect(decodeURIComponent(String(refused["grpc-message"]))).toContain("grpc-timeout");
    }
    expect(await running.calls.of("StartSignature")).toBeDefined();
    expect(running.calls.ended.at(-1)).toMatchObject({ reason: "INVALID_REQUEST", code: "INVALID_ARGUMENT" });
    expect(await call(path, { "grpc-timeout": "99999999H" })).toMatchObject({ "grpc-status": "0" });
  });

  it.each(["snappy", "br", "gzip2"])("is told which encodings there are instead of %s", async (encoding) => {
    const refused = await call("application/grpc", { "grpc-encoding": encoding });
    expect(refused).toMatchObject({ "grpc-status": "12", "grpc-accept-encoding": "identity,gzip" });
  });

  it("is INTERNAL where a compressed message comes without grpc-encoding", async () => {
    for (const path of paths) {
      for (const encoding of [undefined, "identity"]) {
        const headers = encoding === undefined ? {} : { "grpc-encoding": encoding };
        const refused = await call(path, headers, flagged);
        expect(refused).toMatchObject({ "grpc-status": "13" });
        expect(refused["grpc-message"]).toContain("grpc-encoding");
      }
    }
    // A stream is refused by the same rule.
    expect(await call("application/grpc", {}, flagged, watch)).toMatchObject({ "grpc-status": "13" });
  });

  it.each([
    ["announced too large", "application/grpc", {}, envelope(Buffer.alloc(65_537))],
    ["announced too large, by Connect", "application/grpc+proto", {}, envelope(Buffer.alloc(65_537))],
    [
      "unpacked too large",
      "application/grpc",
      { "grpc-encoding": "gzip" },
      Buffer.concat([Buffer.from([1]), envelope(gzipSync(Buffer.alloc(65_537))).subarray(1)]),
    ],
  ])("is told the limit in words of its own: %s", async (_, path, headers, bytes) => {
    const refused = await call(path, headers, bytes);
    expect(refused["grpc-status"]).toBe("8");
    expect(decodeURIComponent(String(refused["grpc-message"]))).toMatch(
      /^the message.* is over the limit of 65536/,
    );
  });

  it("is unreadable before its handler runs, also where it streams", async () => {
    const nonsense = envelope(Buffer.from("ffffffffff", "hex"));
    for (const path of [start, watch]) {
      const refused = await call("application/grpc+proto", {}, nonsense, path);
      expect(refused).toMatchObject({
        "grpc-status": "3",
        "grpc-message": "the%20request%20is%20unreadable",
      });
      expect(refused["grpc-status-details-bin"]).toBeDefined();
    }
    const halfPacked = Buffer.concat([
      Buffer.from([1]),
      envelope(gzipSync(message).subarray(0, 30)).subarray(1),
    ]);
    expect(await call("application/grpc", { "grpc-encoding": "gzip" }, halfPacked)).toMatchObject({
      "grpc-status": "3",
    });
  });

  it("is reset where its headers are over 16 KiB, and its connection goes on", async () => {
    const stream = connection.send(start, { body, headers: { "x-long": "v".repeat(20_000) } });
    expect((await answerOf(stream))["grpc-status"]).toBeUndefined();
    expect(stream.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    expect(await call("application/grpc")).toMatchObject({ "grpc-status": "0" });
  });
});

describe("An error that a handler chose", () => {
  it.each(paths)("has the pause in grpc-retry-pushback-ms beside its RetryInfo: %s", async (path) => {
    running.useCases.failNext(new Failure("RATE_LIMITED", "too many", { retryAfterMs: 1500.2 }));
    expect(await call(path)).toMatchObject({ "grpc-status": "8", "grpc-retry-pushback-ms": "1501" });
    running.useCases.failNext(new Failure("CODE_MISMATCH", "no"));
    expect((await call(path))["grpc-retry-pushback-ms"]).toBeUndefined();
  });

  it("holds back the retries that a client makes by itself", async () => {
    const retryPolicy = {
      ...{ maxAttempts: 2, initialBackoff: "0.001s", maxBackoff: "0.001s", backoffMultiplier: 1 },
      retryableStatusCodes: ["UNAVAILABLE"],
    };
    const config = { methodConfig: [{ name: [{ service: SignatureService.typeName }], retryPolicy }] };
    const client = grpcClient(SignatureService, running.address, grpc.credentials.createInsecure(), {
      "grpc.service_config": JSON.stringify(config),
    });
    running.useCases.failNext(new Failure("SERVICE_UNAVAILABLE", "not now", { retryAfterMs: 400 }));
    const begunAt = performance.now();
    await client.startSignature(aStartRequest());
    expect(performance.now() - begunAt).toBeGreaterThan(380);
    client.close();
  });
});

describe("A handler of a unary call", () => {
  const setting = (fail: boolean) =>
    runServer({
      routes: (routes, closing) => {
        const handlers = signatureService(new SignatureUseCases().deps(closing));
        routes.service(SignatureService, {
          ...handlers,
          startSignature(request, context) {
            context.responseHeader.set("x-from", context.requestHeader.get("x-asked") ?? "nobody");
            context.responseTrailer.append("x-trailer", "one");
            context.responseTrailer.append("x-trailer", "two");
            if (fail) throw new Failure("CODE_MISMATCH", "no");
            return handlers.startSignature(request, context);
          },
        });
      },
    });

  it.each([false, true])("reads metadata and sets headers and trailers; failing: %s", async (fail) => {
    await using server = await setting(fail);
    using raw = await rawConnection(server.address);
    for (const path of paths) {
      const stream = raw.send(start, { body, headers: { "content-type": path, "x-asked": "a bank" } });
      const seen: Record<string, unknown> = {};
      stream.on("response", (headers) => Object.assign(seen, { header: headers["x-from"] }));
      stream.on("trailers", (trailers) => Object.assign(seen, { trailer: trailers["x-trailer"] }));
      const answer = await answerOf(stream);
      expect(seen).toEqual({ header: "a bank", trailer: "one, two" });
      expect(answer["grpc-status"]).toBe(fail ? "9" : "0");
      if (fail) expect(answer["grpc-status-details-bin"]).toBeDefined();
    }
  });

  it.each([
    ["application/grpc", start],
    ["application/grpc+proto", start],
    ["application/grpc", watch],
  ])("is at fault where its answer cannot be written: %s %s", async (contentType, path) => {
    const impossible = { signature: { expiresAt: { seconds: "soon" } } } as never;
    await using server = await runServer({
      routes: (routes, closing) =>
        routes.service(SignatureService, {
          ...signatureService(new SignatureUseCases().deps(closing)),
          startSignature: () => impossible,
          async *watchSignature() {
            yield impossible;
          },
        }),
    });
    using raw = await rawConnection(server.address);
    const request = path === start ? body : envelope(new Uint8Array());
    const refused = await answerOf(
      raw.send(path, { body: request, headers: { "content-type": contentType } }),
    );
    expect(refused).toMatchObject({ "grpc-status": "13", "grpc-message": "internal%20error" });
    expect(server.calls.ended.at(-1) ?? (await server.calls.of(path.split("/")[1] ?? ""))).toMatchObject({
      reason: "INTERNAL",
    });
  });

  it("keeps the status of its error after it has streamed answers", async () => {
    const broken = await grpcError(
      (async () => {
        await using server = await runServer({
          routes: (routes, closing) =>
            routes.service(SignatureService, {
              ...signatureService(new SignatureUseCases().deps(closing)),
              async *watchSignature() {
                yield {};
                throw new Error("broken later");
              },
            }),
        });
        for await (const one of server.client.watchSignature({ signatureId: "x" })) void one;
      })(),
    );
    expect(broken).toMatchObject({ code: "INTERNAL", reason: "INTERNAL" });
  });
});
