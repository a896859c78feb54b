import { once } from "node:events";
import { connect } from "node:net";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { collect, grpcClient, grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { rawConnection } from "../support/raw-grpc.ts";

describe("draining", () => {
  it("lets calls in flight finish and takes no new connection", async () => {
    const running = await runServer();
    const hold = running.useCases.holdNext();
    const inFlight = running.client.startSignature(aStartRequest());
    await hold.arrived;
    const drained = running.server.drain(5000);
    const late = grpcClient(SignatureService, running.address);
    expect((await grpcError(late.getSignature({ signatureId: "x" }))).code).toBe("UNAVAILABLE");
    late.close();
    hold.release();
    expect((await inFlight).replayed).toBe(false);
    expect(await drained).toBe(true);
    running.client.close();
  });

  it("closes idle connections at once", async () => {
    const running = await runServer();
    await running.client.startSignature(aStartRequest());
    expect(await running.server.drain(5000)).toBe(true);
    running.client.close();
  });

  it("ends streams at once, with a reason to come back", async () => {
    const running = await runServer();
    const { signature } = await running.client.startSignature(aStartRequest());
    let drained: Promise<boolean> | undefined;
    const watched = (async () => {
      for await (const _ of running.client.watchSignature({ signatureId: signature!.id })) {
        drained ??= running.server.drain(5000);
      }
    })();
    expect(await grpcError(watched)).toMatchObject({
      code: "UNAVAILABLE",
      reason: "SERVICE_UNAVAILABLE",
      retryAfterMs: 1000,
    });
    expect(await drained).toBe(true);
    expect(running.useCases.watchers).toBe(0);
    running.client.close();
  });

  it("ends a reflection stream that a tool keeps open", async () => {
    const running = await runServer();
    const client = new grpc.Client(running.address, grpc.credentials.createInsecure());
    const call = client.makeBidiStreamRequest(
      `/${ServerReflection.typeName}/ServerReflectionInfo`,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
    );
    // Field 7, list_services, with one character.
    call.write(Buffer.from([0x3a, 0x01, 0x2a]));
    await once(call, "data");
    const status = new Promise<grpc.StatusObject>((resolve) =>
      call.on("error", () => {}).on("status", resolve),
    );
    expect(await running.server.drain(5000)).toBe(true);
    expect((await status).code).toBe(grpc.status.UNAVAILABLE);
    client.close();
    running.client.close();
  });

  it("cuts off what is left after the grace, also connections that never said a word", async () => {
    const running = await runServer();
    const hold = running.useCases.holdNext();
    const inFlight = grpcError(running.client.startSignature(aStartRequest()));
    await hold.arrived;
    const [host, port] = running.address.split(":") as [string, string];
    const silent = connect(Number(port), host);
    await once(silent, "connect");
    silent.resume().on("error", () => {});
    const closed = once(silent, "close");
    expect(await running.server.drain(50)).toBe(false);
    expect(["CANCELLED", "UNAVAILABLE"]).toContain((await inFlight).code);
    await closed;
    hold.release();
    running.client.close();
  });

  it("loses no call of a client that moves between two servers", async () => {
    const [first, second] = [await runServer(), await runServer()];
    const addresses = `ipv4:${first.address},${second.address}`;
    const client = grpcClient(SignatureService, addresses, undefined, {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    });
    let made = 0;
    const failures: string[] = [];
    let stop = false;
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      while (!stop) {
        const call = client.startSignature(aStartRequest({ idempotencyKey: `${caller}-${made++}` }));
        await call.catch((error: Error) => failures.push(error.message));
      }
    });
    await reached(first, 50);
    expect(await first.server.drain(5000)).toBe(true);
    await reached(second, second.useCases.signatures.length + 50);
    stop = true;
    await Promise.all(callers);
    expect(failures).toEqual([]);
    expect(first.useCases.signatures.length + second.useCases.signatures.length).toBe(made);
    client.close();
    await second[Symbol.asyncDispose]();
    first.client.close();
  });

  async function reached({ useCases }: RunningServer, count: number): Promise<void> {
    while (useCases.signatures.length < count) await new Promise((resolve) => setImmediate(resolve));
  }
});

describe("connections", () => {
  it("are asked to go once they are old, and their clients do not notice", async () => {
    await using running = await runServer({ limits: { maxAgeMs: 0, keepaliveMs: 20, maxAgeGraceMs: 5000 } });
    using connection = await rawConnection(running.address);
    const asked = once(connection.session, "goaway");
    const { signature } = await running.client.startSignature(aStartRequest());
    const watched = collect(running.client.watchSignature({ signatureId: signature!.id }));
    // The notice first: every stream that crosses it on the wire is still taken.
    expect((await asked).slice(0, 2)).toEqual([0, 2 ** 31 - 1]);
    for (let made = 0; made < 20; made++) {
      await running.client.startSignature(aStartRequest({ idempotencyKey: `k-${made}` }));
    }
    await running.client.abortSignature({ signatureId: signature!.id });
    expect((await watched).at(-1)!.signature!.status).toBe(6);
  });

  it("are cut off when they do not go in time", async () => {
    await using running = await runServer({ limits: { maxAgeMs: 0, keepaliveMs: 20, maxAgeGraceMs: 40 } });
    const { signature } = await running.client.startSignature(aStartRequest());
    const watched = collect(running.client.watchSignature({ signatureId: signature!.id }));
    expect(["CANCELLED", "UNAVAILABLE"]).toContain((await grpcError(watched)).code);
  });

  it("are destroyed when they leave a ping unanswered", async () => {
    await using running = await runServer({ limits: { keepaliveMs: 20 } });
    const [host, port] = running.address.split(":") as [string, string];
    const silent = connect(Number(port), host);
    silent.resume().on("error", () => {});
    await once(silent, "close");
  });
});
