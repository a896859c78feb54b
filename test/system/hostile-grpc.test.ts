import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { constants } from "node:http2";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  SignatureService,
  StartSignatureRequestSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { memoryOf } from "../support/process-memory.ts";
import { answerOf, envelope, type RawConnection, rawConnection } from "../support/raw-grpc.ts";
import type { RouterProcess } from "../support/router-process.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { floods } from "./http2-floods.ts";
import { Attacker, frameOf, preface } from "./http2-frames.ts";
import { LegitimateCaller } from "./legitimate-caller.ts";

const service = SignatureService.typeName;
const start = `${service}/StartSignature`;
const get = `${service}/GetSignature`;
const reflection = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/** The heap that the process gets: what does not fit ends it. Young objects, buffers and code come on top. */
const heapMiB = 256;
const mostResident = 3 * heapMiB * 2 ** 20;

let database: TestDatabase;
let installation: LiveInstallation;
let router: RouterProcess;
let signatureId: string;

let caller: LegitimateCaller;

const startBody = envelope(
  toBinary(StartSignatureRequestSchema, create(StartSignatureRequestSchema, aStartOf(aPhoneNumber()))),
);

function compressed(message: Uint8Array): Buffer {
  const framed = envelope(gzipSync(message));
  framed[0] = 1;
  return framed;
}

function mutated(message: Uint8Array): Buffer {
  const copy = Buffer.from(message);
  for (let n = 0; n < 3; n += 1) copy[randomInt(copy.length)] = randomInt(256);
  return copy;
}

/** Once the server has said how many streams it takes. */
async function settings({ session }: RawConnection): Promise<void> {
  if (session.remoteSettings.maxConcurrentStreams === undefined) await once(session, "remoteSettings");
}

/** Once the server has read everything that was sent before. */
async function pong({ session }: RawConnection): Promise<void> {
  if (!session.destroyed) await new Promise((resolve) => session.ping(resolve));
}

beforeAll(async () => {
  database = await createDatabase();
  installation = await LiveInstallation.create(database.url, { receipts: "none" });
  router = await installation.startReplica({
    LOG_LEVEL: "error",
    NODE_OPTIONS: `--max-old-space-size=${heapMiB}`,
  });
  const { signature } = await router.client.startSignature(aStartOf(aPhoneNumber()));
  signatureId = signature?.id ?? "";
});

afterAll(async () => {
  await installation?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  caller = new LegitimateCaller(router.client, signatureId);
});

afterEach(async () => {
  // Whatever was sent, others are served meanwhile and afterwards, on connections old and new.
  await caller.more(5);
  await caller.end();
  const [fresh] = (await connections(1)) as [RawConnection];
  expect(await answerOf(fresh.send(start, { body: startBody }))).toMatchObject({ "grpc-status": "0" });
  fresh[Symbol.dispose]();
  expect(memoryOf(router.pid).peak).toBeLessThan(mostResident);
});

async function connections(count: number): Promise<RawConnection[]> {
  return await Promise.all(Array.from({ length: count }, () => rawConnection(router.grpcAddress)));
}

async function attackers(count: number): Promise<Attacker[]> {
  return await Promise.all(Array.from({ length: count }, () => Attacker.connect(router.grpcAddress)));
}

describe("A router under floods of frames", () => {
  it.each(floods)("bears $name", async ({ opening, bytes, times, ends }) => {
    const some = await attackers(1);
    await Promise.all(
      some.map(async (attacker) => {
        await attacker.write(Buffer.concat([preface, opening ?? Buffer.alloc(0)]));
        await attacker.flood(bytes, times);
      }),
    );
    if (ends) await Promise.all(some.map((attacker) => attacker.closed));
    else await caller.more(20);
    for (const attacker of some) attacker[Symbol.dispose]();
  });

  it("bears bytes that are no frames, and frames that are nonsense", async () => {
    const rounds = 10;
    for (let round = 0; round < rounds; round += 1) {
      const some = await attackers(30);
      await Promise.all(
        some.map(async (attacker, index) => {
          if (index % 3 > 0) await attacker.write(preface);
          const nonsense = Array.from({ length: 20 }, () =>
            frameOf(randomInt(12), randomInt(256), randomInt(6), randomBytes(randomInt(60))),
          );
          await attacker.write(index % 3 === 2 ? Buffer.concat(nonsense) : randomBytes(2000));
          attacker.socket.end();
          await attacker.closed;
        }),
      );
    }
  });

  it("ends clients that reset their streams as fast as they open them", async () => {
    const some = await connections(1);
    const closed = some.map(({ session }) => new Promise((resolve) => session.once("close", resolve)));
    for (let n = 0; some.some(({ session }) => !session.destroyed); n += 1) {
      for (const one of some) {
        if (one.session.destroyed) continue;
        one.send(start, { body: startBody }).close(constants.NGHTTP2_CANCEL);
      }
      if (n % 100 === 0) await new Promise(setImmediate);
    }
    await Promise.all(closed);
  });
});

describe("A router under requests that nobody should send", () => {
  it("answers garbage of every kind with a refusal, and blames itself for none", async () => {
    const [connection] = (await connections(1)) as [RawConnection];
    const methods = SignatureService.methods.map(({ name }) => `${service}/${name}`);
    const paths = [
      ...methods,
      reflection,
      "grpc.health.v1.Health/Check",
      "",
      "..",
      `${start}/`,
      `${service}/Steal`,
    ];
    const whole = startBody.subarray(5);
    const bomb = compressed(Buffer.alloc(50 << 20));
    const bodies = [
      () => randomBytes(randomInt(200)),
      () => envelope(randomBytes(randomInt(200))),
      () => startBody.subarray(0, randomInt(startBody.length)),
      () => envelope(mutated(whole)),
      () => envelope(Buffer.alloc(70_000, 10)),
      () => Buffer.from([0, 255, 255, 255, 255, 1]),
      () => Buffer.from([randomInt(256), 0, 0, 0, 1, 1]),
      () => compressed(whole),
      () => bomb,
      () => Buffer.concat([Buffer.from([1]), envelope(randomBytes(100)).subarray(1)]),
      () => Buffer.concat([startBody, startBody, randomBytes(3)]),
    ];
    const headers = [
      {},
      { "grpc-encoding": "gzip" },
      { "grpc-encoding": "br" },
      { "grpc-timeout": "99999999999S" },
      { "grpc-timeout": "-1m" },
      { "grpc-timeout": "0n" },
      { "content-type": "application/grpc+json" },
      { "content-type": "application/grpc; charset=\u00ff" },
      { ":method": "GET" },
      { ":method": "OPTIONS" },
      { expect: "100-continue" },
      { expect: "\u00e9" },
      { traceparent: "00-zz-1-1", tracestate: "=,=;".repeat(50), baggage: "%".repeat(2000) },
      { "x-bytes-bin": "!!!", "x-latin": "\u00ff\u0080" },
      { ":authority": "[::" },
      { ":scheme": "javascript" },
    ];
    const statuses: Record<string, number> = {};
    for (const header of headers) {
      const answers = paths.flatMap((path) => bodies.map((body) => ({ path, body: body() })));
      await Promise.all(
        answers.map(async ({ path, body }) => {
          // Only a bomb that is unpacked costs something; one of them for each head is enough.
          if (body.length > 40_000 && path !== start) return;
          const stream = connection.send(path, { headers: header, body });
          const answer = await answerOf(stream);
          // gRPC's conformance suite wants INTERNAL where a message is said to be compressed, and nothing says how.
          const isUnsaidCompression = ((body[0] ?? 0) & 1) === 1 && !("grpc-encoding" in header);
          const told = String(answer["grpc-status"] ?? `HTTP ${answer[":status"] ?? "reset"}`);
          const status = told === "13" && isUnsaidCompression ? "13 by the protocol" : told;
          statuses[status] = (statuses[status] ?? 0) + 1;
        }),
      );
    }
    connection[Symbol.dispose]();
    expect(statuses["13"] ?? 0).toBe(0);
    expect(router.stdout.filter((line) => line.includes('"level":"error"'))).toEqual([]);
  });

  it("refuses metadata that is too large, long or many", async () => {
    const sizes = [1, 100, 1000, 8000];
    const some = await connections(20);
    for (const one of some) {
      for (const size of sizes) {
        const many = Object.fromEntries(Array.from({ length: size }, (_, n) => [`x-${n}`, "y".repeat(60)]));
        const long = { "x-long": "v".repeat(size * 60) };
        for (const headers of [many, long]) {
          if (!one.session.destroyed) one.send(get, { body: startBody, headers });
        }
      }
    }
    await Promise.all(some.map(({ session }) => new Promise((resolve) => session.ping(resolve))));
    for (const one of some) one[Symbol.dispose]();
  });
});

describe("A router under peers that take their time", () => {
  it("bears thousands of requests that never end", async () => {
    const some = await connections(2);
    for (const one of some) {
      await settings(one);
      for (let n = 0; n < 1000; n += 1) {
        one.send(n % 2 ? start : reflection, { body: startBody.subarray(0, 20), end: false });
      }
      await pong(one);
    }
    for (const path of ["no.such.Service/Method", start]) {
      const [one] = (await connections(1)) as [RawConnection];
      const stream = one.send(path, { end: false });
      stream.resume();
      // More than any message may have, and on after the answer.
      for (let n = 0; n < 50 && !stream.destroyed; n += 1) {
        const taken = new Promise((resolve) => stream.write(Buffer.alloc(65_536, 1), resolve));
        await Promise.race([taken, pong(one)]);
      }
      one[Symbol.dispose]();
    }
    await caller.more(20);
    for (const one of some) one[Symbol.dispose]();
  });

  it("bears readers that take no byte of their answers", async () => {
    const some = await Promise.all(
      Array.from({ length: 4 }, () =>
        rawConnection(router.grpcAddress, { settings: { initialWindowSize: 0 } }),
      ),
    );
    const question = envelope(Buffer.concat([Buffer.from([0x22, service.length]), Buffer.from(service)]));
    const body = envelope(Buffer.concat([Buffer.from([10, 36]), Buffer.from(signatureId)]));
    for (const one of some) {
      await settings(one);
      for (let n = 0; n < 300; n += 1) {
        const path = [get, `${service}/WatchSignature`, reflection][n % 3] ?? get;
        const stream = one.send(path, {
          body: path === reflection ? question : body,
          end: path !== reflection,
        });
        if (path === reflection) for (let m = 0; m < 30; m += 1) stream.write(question);
      }
      await pong(one);
    }
    await caller.more(20);
    for (const one of some) one[Symbol.dispose]();
  });

  it("bears connections that say nothing, or half of what they should", async () => {
    const some = await attackers(600);
    await Promise.all(
      some.map((attacker, n) => n % 2 && attacker.write(preface.subarray(0, n % preface.length))),
    );
    await caller.more(20);
    for (const attacker of some) attacker[Symbol.dispose]();
  });
});
