import { once } from "node:events";
import http2, { type ClientHttp2Session } from "node:http2";
import { connect } from "node:net";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import {
  SignatureService,
  WatchSignatureRequestSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { HealthCheckRequestSchema } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { parseCallersFile } from "../../src/grpc/callers-file.ts";
import { defaultQuotas } from "../../src/grpc/limits.ts";
import type { HeldKind, QuotaRules, QuotaScope } from "../../src/grpc/quotas.ts";
import { type CertificateAndKey, CertificateAuthority } from "../support/certificates.ts";
import { type GrpcClient, grpcClient } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { answerOf, envelope, RawConnection } from "../support/raw-grpc.ts";

const watchHealth = "grpc.health.v1.Health/Watch";
const checkHealth = "grpc.health.v1.Health/Check";
const watchSignature = `${SignatureService.typeName}/WatchSignature`;
const reflection = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

/** A twentieth of the product's, but for peers that are no callers. */
const quotas: QuotaRules = {
  ...defaultQuotas,
  all: { connections: 100, calls: 250, streams: 150 },
  caller: { connections: 20, calls: 100, streams: 50 },
};

const callers = parseCallersFile(
  JSON.stringify({
    callers: ["payments", "cards"].map((name) => ({ name, san: [`DNS:${name}.bank`], methods: ["*"] })),
  }),
);

function bodyOf<Desc extends DescMessage>(schema: Desc, message: MessageInitShape<Desc>): Buffer {
  return envelope(toBinary(schema, create(schema, message)));
}

describe("A server behind mutual TLS under one peer's floods", () => {
  let authority: CertificateAuthority;
  let server: CertificateAndKey;
  let payments: CertificateAndKey;
  let cards: CertificateAndKey;
  let stranger: CertificateAndKey;
  let running: RunningServer;
  let client: GrpcClient<typeof SignatureService>;
  let refused: Map<string, number>;
  let open: RawConnection[];

  beforeAll(() => {
    authority = new CertificateAuthority();
    server = authority.issue("server", "DNS:localhost,IP:127.0.0.1");
    payments = authority.issue("payments", "DNS:payments.bank");
    cards = authority.issue("cards", "DNS:cards.bank");
    stranger = authority.issue("stranger", "DNS:stranger.bank");
  });
  afterAll(() => authority[Symbol.dispose]());

  beforeEach(async () => {
    open = [];
    refused = new Map();
    running = await runServer({
      tls: {
        certificates: { cert: server.cert, key: server.key, clientCa: authority.cert },
        callers: () => callers,
      },
      limits: { quotas, handshakes: 20 },
      quotaObserver: {
        refused(kind: HeldKind, scope: QuotaScope) {
          const name = `${kind} of ${scope}`;
          refused.set(name, (refused.get(name) ?? 0) + 1);
        },
        pressed: () => undefined,
      },
    });
    client = grpcClient(SignatureService, running.address, credentialsOf(payments));
  });
  afterEach(async () => {
    for (const connection of open) connection[Symbol.dispose]();
    client.close();
    await running[Symbol.asyncDispose]();
  });

  function credentialsOf({ cert, key }: CertificateAndKey): grpc.ChannelCredentials {
    return grpc.credentials.createSsl(Buffer.from(authority.cert), Buffer.from(key), Buffer.from(cert));
  }

  async function connectionOf({ cert, key }: CertificateAndKey): Promise<RawConnection> {
    const session: ClientHttp2Session = http2.connect(`https://${running.address}`, {
      ...{ cert, key, ca: authority.cert },
    });
    session.on("error", () => {});
    await once(session, "remoteSettings");
    const connection = new RawConnection(session);
    open.push(connection);
    return connection;
  }

  /** Sends so many calls on a connection, and waits until the server has answered or kept each. */
  async function flood(connection: RawConnection, path: string, body: Buffer, count: number, end = true) {
    const statuses: Record<string, number> = {};
    let seen = 0;
    const all = Promise.withResolvers<void>();
    for (let n = 0; n < count; n += 1) {
      const stream = connection.send(path, { body, end });
      stream.once("response", (headers) => {
        const status = String(headers["grpc-status"] ?? "open");
        statuses[status] = (statuses[status] ?? 0) + 1;
        seen += 1;
        if (seen === count) all.resolve();
      });
      stream.resume();
    }
    await all.promise;
    return statuses;
  }

  async function started() {
    const { signature } = await client.startSignature(aStartRequest({ idempotencyKey: crypto.randomUUID() }));
    return signature?.id ?? "";
  }

  it("serves `payments` while a peer that is no caller opens 5 times 100 health watches", async () => {
    const connections = await Promise.all(Array.from({ length: 5 }, () => connectionOf(stranger)));
    const body = bodyOf(HealthCheckRequestSchema, { service: "" });
    const statuses = await Promise.all(connections.map((one) => flood(one, watchHealth, body, 100)));
    const total = (status: string) => statuses.reduce((sum, one) => sum + (one[status] ?? 0), 0);
    expect(total("open")).toBe(quotas.unknown.streams);
    expect(total("8")).toBe(500 - quotas.unknown.streams);
    expect(refused.get("streams of unknown")).toBe(total("8"));
    expect(running.server.held).toMatchObject({ streams: 10, calls: 10 });
    for (let n = 0; n < 10; n += 1) expect(await started()).not.toBe("");
    for await (const { signature } of client.watchSignature({ signatureId: await started() })) {
      expect(signature?.id).toBeDefined();
      break;
    }
    // A probe of the stranger itself has room, too.
    const probe = connections[0]?.send(checkHealth, { body });
    expect(probe && (await answerOf(probe))).toMatchObject({ "grpc-status": "0" });
  });

  it("names status and reason to whom it refuses", async () => {
    const connection = await connectionOf(stranger);
    const body = bodyOf(HealthCheckRequestSchema, { service: "" });
    await flood(connection, watchHealth, body, quotas.unknown.streams);
    const answer = await answerOf(connection.send(watchHealth, { body }));
    expect(answer).toMatchObject({
      "grpc-status": "8",
      "grpc-message": "unknown%20peers%20have%20too%20many%20streams",
      "grpc-retry-pushback-ms": "1000",
    });
    expect(Buffer.from(String(answer["grpc-status-details-bin"]), "base64").toString()).toContain(
      "RATE_LIMITED",
    );
    const access = running.calls.ended.find(({ reason }) => reason === "RATE_LIMITED");
    expect(access).toMatchObject({ method: "Watch", code: "RESOURCE_EXHAUSTED" });
  });

  it.each([
    ["WatchSignature", watchSignature, true],
    ["reflection", reflection, false],
  ])(
    "serves others, and the caller's own unary calls, while a caller floods with %s",
    async (_, path, ends) => {
      const { streams } = quotas.caller;
      const own = grpcClient(SignatureService, running.address, credentialsOf(cards));
      const { signature } = await own.startSignature(aStartRequest());
      const body =
        path === reflection
          ? envelope(Buffer.from([0x3a, 1, 0x2a]))
          : bodyOf(WatchSignatureRequestSchema, { signatureId: signature?.id ?? "" });
      const connections = await Promise.all(Array.from({ length: 3 }, () => connectionOf(cards)));
      const statuses = await Promise.all(connections.map((one) => flood(one, path, body, 40, ends)));
      const total = (status: string) => statuses.reduce((sum, one) => sum + (one[status] ?? 0), 0);
      expect({ open: total("open"), refused: total("8") }).toEqual({
        open: streams,
        refused: 120 - streams,
      });
      expect(refused.get("streams of caller")).toBe(120 - streams);
      expect((await own.getSignature({ signatureId: signature?.id ?? "" })).signature?.id).toBe(
        signature?.id,
      );
      own.close();
      for await (const change of client.watchSignature({ signatureId: await started() })) {
        expect(change.signature?.id).toBeDefined();
        break;
      }
    },
  );

  it("keeps 20 connections of peers that are no callers, says why to the others, and ends them", async () => {
    const connections = await Promise.all(Array.from({ length: 25 }, () => connectionOf(stranger)));
    expect(running.server.held.connections).toBe(20);
    const body = bodyOf(HealthCheckRequestSchema, { service: "" });
    const answers = await Promise.all(
      connections.map(async (one) =>
        String((await answerOf(one.send(checkHealth, { body })))["grpc-message"]),
      ),
    );
    const told = answers.filter((message) => message === "unknown%20peers%20have%20too%20many%20connections");
    expect(told).toHaveLength(5);
    expect(await started()).not.toBe("");
    const surplus = connections.filter((_, n) => answers[n]?.includes("connections"));
    await Promise.all(
      surplus.map(async ({ session }) => session.destroyed || (await once(session, "close"))),
    );
    expect(running.server.held.connections).toBe(21);
  });

  it("lets a new client in however many connections say nothing", async () => {
    const silent = Array.from({ length: 100 }, () =>
      connect(running.server.address.port, "127.0.0.1").on("error", () => {}),
    );
    await Promise.all(silent.map((socket) => once(socket, "connect")));
    expect(await started()).not.toBe("");
    for (const socket of silent) socket.destroy();
  });
});

it("a refused request takes one call of its caller's rate, which it may not exceed", async () => {
  const counted: string[] = [];
  await using running = await runServer({
    countRefused(caller) {
      counted.push(caller);
      return counted.length <= 3
        ? Promise.resolve()
        : Promise.reject(new Failure("RATE_LIMITED", "too many requests", { metadata: { limit: "caller" } }));
    },
  });
  const code = async (call: Promise<unknown>) => {
    const error = await call.then(
      () => undefined,
      (refusal: grpc.ServiceError) => refusal,
    );
    return error?.code;
  };
  const unknown = { signatureId: crypto.randomUUID(), code: "123456" };
  expect(await code(running.client.startSignature(aStartRequest({ customerId: "" })))).toBe(
    "INVALID_ARGUMENT",
  );
  expect(await code(running.client.completeSignature(unknown))).toBe("NOT_FOUND");
  using raw = new RawConnection(http2.connect(`http://${running.address}`));
  const unreadable = envelope(Buffer.from([0xff]));
  const gzip = { "grpc-encoding": "gzip" };
  const completed = `${SignatureService.typeName}/CompleteSignature`;
  expect(await answerOf(raw.send(completed, { body: unreadable }))).toMatchObject({ "grpc-status": "3" });
  // Past the rate, by either way through the server: the plain one and Connect's.
  expect(await answerOf(raw.send(completed, { body: unreadable }))).toMatchObject({ "grpc-status": "8" });
  const compressed = raw.send(completed, { body: unreadable, headers: gzip });
  expect(await answerOf(compressed)).toMatchObject({ "grpc-status": "8" });
  expect(await code(running.client.completeSignature(unknown))).toBe("RESOURCE_EXHAUSTED");
  expect(await code(running.client.startSignature(aStartRequest()))).toBeUndefined();
  expect(counted).toEqual(["local", "local", "local", "local", "local", "local"]);
});
