import { on } from "node:events";
import { describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { HealthState, healthService } from "../../src/grpc/health.ts";
import { repeatWhenSilent } from "../../src/grpc/repeat-when-silent.ts";
import { signatureService } from "../../src/grpc/signature-service.ts";
import { ManualClock } from "../fakes/manual-clock.ts";
import { grpcClient } from "../support/grpc-client.ts";
import { aStartRequest, runServer } from "../support/grpc-server.ts";
import { rawConnection } from "../support/raw-grpc.ts";
import { SignatureUseCases } from "../support/signature-use-cases.ts";

/** The gRPC layer whose watches go by a clock that stands still. */
async function silentServer() {
  const clock = new ManualClock();
  const keepalive = { everyMs: 30_000, clock };
  const health = new HealthState([]);
  const useCases = new SignatureUseCases();
  const running = await runServer({
    routes(routes, closing) {
      routes.service(SignatureService, signatureService({ ...useCases.deps(closing), keepalive }));
      routes.service(Health, healthService(health, closing, keepalive));
    },
  });
  return { clock, health, running, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

/** Moves the clock once somebody sleeps by it. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  while (clock.sleeping === 0) await clock.settle();
  await clock.advance(ms);
}

describe("A watch on which nothing changes", () => {
  it("says its last message again after each pause, over a real connection", async () => {
    await using server = await silentServer();
    const { clock, running } = server;
    const { signature } = await running.client.startSignature(aStartRequest());
    const watch = running.client.watchSignature({ signatureId: signature!.id })[Symbol.asyncIterator]();
    const first = await watch.next();
    for (let repeats = 0; repeats < 3; repeats++) {
      await pass(clock, 30_000);
      expect(await watch.next()).toEqual(first);
    }
    await running.client.abortSignature({ signatureId: signature!.id });
    expect((await watch.next()).value?.signature?.status).toBe(6);
    expect((await watch.next()).done).toBe(true);
    expect(clock.sleeping).toBe(0);
  });

  it("does so for health, too, and ends its sleep with its caller", async () => {
    await using server = await silentServer();
    const { clock, running, health } = server;
    const client = grpcClient(Health, running.address);
    const watch = client.watch({})[Symbol.asyncIterator]();
    const first = await watch.next();
    await pass(clock, 30_000);
    expect(await watch.next()).toEqual(first);
    health.setAll("SERVING");
    expect((await watch.next()).value?.status).toBe(1);
    client.close();
    await watch.return?.(undefined);
    await running.calls.of("Watch");
    while (clock.sleeping > 0) await clock.settle();
  });
});

describe("Messages that are repeated when they pause", () => {
  const keepalive = (clock: ManualClock) => ({ everyMs: 1000, clock });

  it("are not repeated before there is one, nor while they come", async () => {
    const clock = new ManualClock();
    async function* slow() {
      await clock.sleep(5500);
      yield "first";
      await clock.sleep(900);
      yield "second";
    }
    const seen: string[] = [];
    const all = (async () => {
      for await (const one of repeatWhenSilent(slow(), keepalive(clock))) seen.push(one);
    })();
    await clock.advance(5500);
    expect(seen).toEqual(["first"]);
    await clock.until(all);
    expect(seen).toEqual(["first", "second"]);
  });

  it("end with the error of their source, also one that comes while a repeated message is taken", async () => {
    const clock = new ManualClock();
    const broken = Promise.withResolvers<void>();
    async function* failing() {
      yield 1;
      await broken.promise;
    }
    const messages = repeatWhenSilent(failing(), keepalive(clock));
    await messages.next();
    const repeated = messages.next();
    await pass(clock, 1000);
    expect((await repeated).value).toBe(1);
    broken.reject(new Error("broken"));
    await clock.settle();
    await expect(messages.next()).rejects.toThrow("broken");
  });
});

describe("A connection", () => {
  it("is pinged again and again while nothing else comes on it", async () => {
    await using running = await runServer({
      limits: { keepaliveMs: 50 },
    });
    const { signature } = await running.client.startSignature(aStartRequest());
    using connection = await rawConnection(running.address);
    const pings = on(connection.session, "ping");
    const path = `${SignatureService.typeName}/WatchSignature`;
    connection.send(path, { body: watchRequest(signature!.id) });
    for (let count = 0; count < 4; count++) await pings.next();
    expect(connection.session.destroyed).toBe(false);
  });
});

function watchRequest(id: string): Buffer {
  const message = Buffer.concat([Buffer.from([0x0a, id.length]), Buffer.from(id)]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
