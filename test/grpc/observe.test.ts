import { AsyncLocalStorage } from "node:async_hooks";
import { Code } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { Health } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { cutOff } from "../../src/grpc/observe.ts";
import { signatureService } from "../../src/grpc/signature-service.ts";
import { collect, grpcClient, grpcError } from "../support/grpc-client.ts";
import { aStartRequest, runServer } from "../support/grpc-server.ts";
import { SignatureUseCases } from "../support/signature-use-cases.ts";

describe("observation", () => {
  it("sees each call once, with caller, code, reason, signature and duration", async () => {
    await using running = await runServer();
    const { client, calls } = running;
    const { signature } = await client.startSignature(aStartRequest());
    await grpcError(client.completeSignature({ signatureId: signature!.id, code: "000000" }));
    await client.abortSignature({ signatureId: signature!.id });
    await collect(client.watchSignature({ signatureId: signature!.id }));
    await calls.of("WatchSignature");
    const service = SignatureService.typeName;
    const signatureId = signature!.id;
    const common = { service, caller: "local", signatureId, durationMs: expect.any(Number) };
    expect(calls.ended).toEqual([
      { ...common, method: "StartSignature", code: "OK", reason: undefined, cause: undefined },
      {
        ...common,
        method: "CompleteSignature",
        code: "FAILED_PRECONDITION",
        reason: "CODE_MISMATCH",
        cause: undefined,
      },
      { ...common, method: "AbortSignature", code: "OK", reason: undefined, cause: undefined },
      { ...common, method: "WatchSignature", code: "OK", reason: undefined, cause: undefined },
    ]);
    expect(calls.ended.every((call) => call.durationMs > 0 && call.durationMs < 5000)).toBe(true);
  });

  it("hands the cause of an internal error over", async () => {
    await using running = await runServer();
    const cause = new TypeError("x is not a function");
    running.useCases.failNext(cause);
    await grpcError(running.client.startSignature(aStartRequest()));
    expect(await running.calls.of("StartSignature")).toMatchObject({
      code: "INTERNAL",
      reason: "INTERNAL",
      cause,
    });
  });

  it("hands the caller's headers over as the call begins", async () => {
    await using running = await runServer();
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await running.client.startSignature(aStartRequest(), { metadata: { traceparent } });
    expect(running.calls.begun[0]).toMatchObject({ method: "StartSignature", headers: { traceparent } });
  });

  it("surrounds handlers and the messages of streams", async () => {
    const scope = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    const useCases = new SignatureUseCases();
    const watched = (name: string): void => void seen.push(`${name} in ${scope.getStore()}`);
    await using running = await runServer({
      observe: {
        begin: ({ method }) => ({
          traceId: undefined,
          run: (work) => scope.run(method, work),
          end: () => {},
        }),
      },
      routes(router, closing) {
        const deps = useCases.deps(closing);
        router.service(
          SignatureService,
          signatureService({
            ...deps,
            startSignature: {
              execute: (command, waitMs) => {
                watched("start");
                return deps.startSignature.execute(command, waitMs);
              },
            },
            watchSignature: {
              async *execute(query, signal) {
                for await (const signature of deps.watchSignature.execute(query, signal)) {
                  watched(signature.status);
                  yield signature;
                }
              },
            },
          }),
        );
      },
    });
    const { signature } = await running.client.startSignature(aStartRequest());
    const { id: signatureId } = signature!;
    for await (const message of running.client.watchSignature({ signatureId })) {
      if (message.signature!.status === 2) await running.client.abortSignature({ signatureId });
    }
    expect(seen).toEqual([
      "start in StartSignature",
      "challenge_sent in WatchSignature",
      "aborted in WatchSignature",
    ]);
  });

  it("leaves the trace out of an internal error where there is none", async () => {
    const useCases = new SignatureUseCases();
    await using running = await runServer({
      observe: { begin: () => ({ traceId: undefined, run: (work) => work(), end: () => {} }) },
      routes: (router, closing) =>
        void router.service(SignatureService, signatureService(useCases.deps(closing))),
    });
    useCases.failNext(new Error("x"));
    expect((await grpcError(running.client.startSignature(aStartRequest()))).metadata).toEqual({});
  });

  it("sees health checks, too", async () => {
    await using running = await runServer();
    const health = grpcClient(Health, running.address);
    await health.check({});
    health.close();
    expect(await running.calls.of("Check")).toMatchObject({ service: "grpc.health.v1.Health", code: "OK" });
  });
});

it.each([
  [undefined, 60_000, Code.Canceled],
  [150, 20, Code.Canceled],
  [150, 134, Code.Canceled],
  [150, 136, Code.DeadlineExceeded],
  [150, 151, Code.DeadlineExceeded],
  [10_000, 9_949, Code.Canceled],
  [10_000, 9_950, Code.DeadlineExceeded],
])("tells a deadline of %s ms that passed from a caller who left after %s ms", (timeoutMs, afterMs, code) => {
  expect(cutOff(timeoutMs, afterMs)).toBe(code);
});
