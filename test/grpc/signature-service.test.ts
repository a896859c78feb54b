import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SignatureStatus } from "../../src/gen/bank/signature/v1/signature_pb.ts";
import {
  SignatureService,
  StartSignatureRequestSchema,
  WatchSignatureRequestSchema,
} from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { waitMs } from "../../src/grpc/signature-service.ts";
import { collect, grpcClient, grpcError } from "../support/grpc-client.ts";
import { aStartRequest, type RunningServer, runServer } from "../support/grpc-server.ts";
import { answerOf, envelope, rawConnection } from "../support/raw-grpc.ts";

describe("SignatureService", () => {
  let running: RunningServer;
  beforeEach(async () => {
    running = await runServer();
  });
  afterEach(() => running[Symbol.asyncDispose]());

  async function started(): Promise<string> {
    return (await running.client.startSignature(aStartRequest())).signature!.id;
  }

  it("signs one transaction from start to receipt", async () => {
    const { client, useCases } = running;
    const first = await client.startSignature(aStartRequest());
    expect(first).toMatchObject({ replayed: false, signature: { status: SignatureStatus.CHALLENGE_SENT } });
    expect(await client.startSignature(aStartRequest())).toEqual({ ...first, replayed: true });
    const signatureId = first.signature!.id;
    const resent = await client.sendChallenge({ signatureId, idempotencyKey: "again" });
    expect(resent.signature!.challenge!.id).not.toBe(first.signature!.challenge!.id);
    const wrong = await grpcError(client.completeSignature({ signatureId, code: "000000" }));
    expect(wrong).toMatchObject({ reason: "CODE_MISMATCH", metadata: { attempts_remaining: "2" } });
    const completed = await client.completeSignature({ signatureId, code: useCases.code });
    expect(completed).toMatchObject({
      signature: { status: SignatureStatus.COMPLETED },
      receipt: "header.claims.signature",
    });
    const history = await client.getSignature({ signatureId });
    expect(history.challenges).toHaveLength(2);
    expect(history).toMatchObject({ receipt: completed.receipt, timeline: [{ type: "SIGNATURE_STARTED" }] });
    const closed = await grpcError(client.abortSignature({ signatureId }));
    expect(closed).toMatchObject({ reason: "SIGNATURE_CLOSED", metadata: { status: "COMPLETED" } });
  });

  it("aborts a signature", async () => {
    const { signature } = await running.client.abortSignature({ signatureId: await started(), reason: 3 });
    expect(signature).toMatchObject({ status: SignatureStatus.ABORTED, abortReason: 3 });
  });

  it("waits as long as the caller's deadline less 200 ms", async () => {
    const { client, useCases } = running;
    const { signature } = await client.startSignature(aStartRequest(), { deadlineMs: 15_000 });
    await client.sendChallenge({ signatureId: signature!.id, idempotencyKey: "k" }, { deadlineMs: 90_000 });
    expect(useCases.waits[0]).toBeGreaterThan(10_000);
    expect(useCases.waits[0]).toBeLessThanOrEqual(14_800);
    expect(useCases.waits[1]).toBeGreaterThan(80_000);
    expect(useCases.waits[1]).toBeLessThanOrEqual(89_800);
  });

  it("answers within 20 s where there is no deadline, and never waits below zero", () => {
    expect(waitMs(undefined)).toBe(19_800);
    expect(waitMs(200)).toBe(0);
    expect(waitMs(50)).toBe(0);
    expect(waitMs(-3)).toBe(0);
    expect(waitMs(700.9)).toBe(500);
  });

  it("takes the longest deadline that gRPC can say as one", async () => {
    const client = grpcClient(SignatureService, running.address);
    const { signature } = await client.startSignature(aStartRequest(), {
      metadata: { "grpc-timeout": "99999999H" },
    });
    client.close();
    expect(signature!.id).not.toBe("");
    // Of a day: a timer of more than 24.8 days would fire at once.
    expect(running.useCases.waits[0]).toBeGreaterThan(86_000_000);
    expect(running.useCases.waits[0]).toBeLessThan(86_400_000);
  });

  it("ends the wait at the deadline, and the work goes on", async () => {
    const { client, useCases } = running;
    const hold = useCases.holdNext();
    let arrived = false;
    void hold.arrived.then(() => {
      arrived = true;
    });
    // Until one is long enough for the call to arrive before it, however loaded the machine is.
    for (let deadlineMs = 100; !arrived; deadlineMs *= 2) {
      const error = await grpcError(client.startSignature(aStartRequest(), { deadlineMs }));
      expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", reason: undefined });
    }
    expect(useCases.signatures).toEqual([]);
    hold.release();
    expect(await client.startSignature(aStartRequest())).toMatchObject({ replayed: true });
  });

  it("says itself that the deadline has passed, to clients that leave it to the server", async () => {
    using connection = await rawConnection(running.address);
    const hold = running.useCases.holdNext();
    const stream = connection.send("bank.signature.v1.SignatureService/StartSignature", {
      headers: { "grpc-timeout": "50m" },
      body: envelope(
        toBinary(StartSignatureRequestSchema, create(StartSignatureRequestSchema, aStartRequest())),
      ),
    });
    const answer = await answerOf(stream);
    expect(answer["grpc-status"]).toBe("4");
    expect(answer["grpc-status-details-bin"]).toBeUndefined();
    expect(await running.calls.of("StartSignature")).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      reason: undefined,
    });
    hold.release();
  });

  it("ends the wait with the caller's cancellation, and the work goes on", async () => {
    const { client, useCases } = running;
    const cancel = new AbortController();
    const hold = useCases.holdNext();
    const call = grpcError(client.startSignature(aStartRequest(), { signal: cancel.signal }));
    await hold.arrived;
    cancel.abort();
    expect(await call).toMatchObject({ code: "CANCELLED", reason: undefined });
    expect(await running.calls.of("StartSignature")).toMatchObject({ code: "CANCELLED", reason: undefined });
    hold.release();
    expect(await client.startSignature(aStartRequest())).toMatchObject({ replayed: true });
  });

  it("finishes the work of a call whose connection breaks", async () => {
    const { client, useCases } = running;
    using connection = await rawConnection(running.address);
    const hold = useCases.holdNext();
    connection.send("bank.signature.v1.SignatureService/StartSignature", {
      body: envelope(
        toBinary(StartSignatureRequestSchema, create(StartSignatureRequestSchema, aStartRequest())),
      ),
    });
    await hold.arrived;
    connection.session.destroy();
    expect(await running.calls.of("StartSignature")).toMatchObject({ code: "CANCELLED", reason: undefined });
    hold.release();
    expect(await client.startSignature(aStartRequest())).toMatchObject({ replayed: true });
  });

  it("streams a signature now, after each change, and ends after the closed state", async () => {
    const { client, useCases } = running;
    const signatureId = await started();
    const seen: [number, number][] = [];
    for await (const { signature } of client.watchSignature({ signatureId })) {
      seen.push([signature!.status, signature!.attemptsRemaining]);
      if (seen.length === 1) await grpcError(client.completeSignature({ signatureId, code: "000000" }));
      else if (seen.length === 2) await client.completeSignature({ signatureId, code: useCases.code });
    }
    expect(seen).toEqual([
      [SignatureStatus.CHALLENGE_SENT, 3],
      [SignatureStatus.CHALLENGE_SENT, 2],
      [SignatureStatus.COMPLETED, 2],
    ]);
    expect(await running.calls.of("WatchSignature")).toMatchObject({ code: "OK", signatureId });
  });

  // By hand: gRPC's own clients end the call at the deadline, too, and either may be first.
  it("ends a stream at the caller's deadline", async () => {
    using connection = await rawConnection(running.address);
    const request = create(WatchSignatureRequestSchema, { signatureId: await started() });
    const stream = connection.send("bank.signature.v1.SignatureService/WatchSignature", {
      headers: { "grpc-timeout": "50m" },
      body: envelope(toBinary(WatchSignatureRequestSchema, request)),
    });
    expect((await answerOf(stream))["grpc-status"]).toBe("4");
    expect(await running.calls.of("WatchSignature")).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(running.useCases.watchers).toBe(0);
  });

  it("ends a stream with the caller's cancellation and forgets the watcher", async () => {
    for await (const _ of running.client.watchSignature({ signatureId: await started() })) break;
    expect(await running.calls.of("WatchSignature")).toMatchObject({ code: "CANCELLED", reason: undefined });
    expect(running.useCases.watchers).toBe(0);
  });

  it("refuses a stream as it refuses a call", async () => {
    const stream = running.client.watchSignature({ signatureId: "0190a5b8-1111-7111-8111-111111111111" });
    expect(await grpcError(collect(stream))).toMatchObject({
      code: "NOT_FOUND",
      reason: "SIGNATURE_NOT_FOUND",
    });
    expect(await running.calls.of("WatchSignature")).toMatchObject({ reason: "SIGNATURE_NOT_FOUND" });
  });

  it("says internal error where a stream breaks", async () => {
    running.useCases.failNext(new TypeError("x is not a function"));
    const stream = running.client.watchSignature({ signatureId: "0190a5b8-1111-7111-8111-111111111111" });
    const error = await grpcError(collect(stream));
    expect(error).toMatchObject({ code: "INTERNAL", message: "internal error", reason: "INTERNAL" });
  });
});
