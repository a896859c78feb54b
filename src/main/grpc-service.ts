import type { ServerHttp2Session } from "node:http2";
import { defaultTtlMs } from "../config/timing.ts";
import type { Config } from "../config.ts";
import { SignatureService } from "../gen/bank/signature/v1/signature_service_pb.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import { HealthState, healthService } from "../grpc/health.ts";
import { defaultQuotas } from "../grpc/limits.ts";
import type { Observe } from "../grpc/observe.ts";
import { serveReflection } from "../grpc/reflection.ts";
import { type GrpcServer, startGrpcServer } from "../grpc/server.ts";
import { signatureService } from "../grpc/signature-service.ts";
import type { HandshakeTelemetry } from "../telemetry/handshake-telemetry.ts";
import type { QuotaTelemetry } from "../telemetry/quota-telemetry.ts";
import type { CheckDetail, CheckName, CheckState, Readiness } from "../telemetry/readiness.ts";
import type { Tracing } from "../telemetry/tracing.ts";
import type { TlsSetup } from "./callers.ts";
import { systemClock } from "./clock.ts";
import type { UseCases } from "./use-cases.ts";

interface Deps {
  readonly useCases: UseCases;
  readonly readiness: Readiness<CheckName>;
  readonly tracing: Tracing;
  readonly observe: Observe;
  readonly quotas: QuotaTelemetry;
  readonly handshakes: HandshakeTelemetry;
  readonly tls: TlsSetup | undefined;
}

/** What GRPC_LISTEN serves: the signature service, health and reflection. */
export async function serveGrpc({ grpc }: Config, deps: Deps): Promise<GrpcServer> {
  const { useCases, readiness, tracing, observe, quotas, handshakes, tls } = deps;
  const health = new HealthState([SignatureService.typeName]);
  readiness.subscribe(({ ready }) => health.setAll(ready ? "SERVING" : "NOT_SERVING"));
  const keepalive = { everyMs: grpc.keepaliveMs, clock: systemClock };
  const server = await startGrpcServer({
    listen: grpc.listen,
    limits: { keepaliveMs: grpc.keepaliveMs, quotas: { ...defaultQuotas, ...grpc.quotas } },
    ...(tls && { tls }),
    routes(router, closing) {
      router.service(
        SignatureService,
        signatureService({
          startSignature: tracing.useCase("StartSignature", useCases.startSignature),
          sendChallenge: tracing.useCase("SendChallenge", useCases.sendChallenge),
          completeSignature: tracing.useCase("CompleteSignature", useCases.completeSignature),
          abortSignature: tracing.useCase("AbortSignature", useCases.abortSignature),
          getSignature: tracing.useCase("GetSignature", useCases.getSignature),
          watchSignature: useCases.watchSignature,
          ...{ defaultTtlMs, closing, keepalive },
        }),
      );
      router.service(Health, healthService(health, closing, keepalive));
      if (grpc.reflection) serveReflection(router, [SignatureService, Health], closing);
    },
    observe,
    countRefused: (caller) => useCases.callerLimit.take(caller),
    quotaObserver: {
      refused: (kind, scope, caller, session) =>
        quotas.refused({ kind, scope, caller: caller?.name, address: addressOf(session) }),
      pressed: (pressed) => readiness.set("capacity", ...capacity(pressed)),
    },
    onHandshakeFailure: (failure) => handshakes.failed(failure),
  });
  readiness.set("capacity", "ok");
  tls?.onCertificates((certificates) => server.setTls(certificates));
  return server;
}

function addressOf(session: object): string | undefined {
  return (session as ServerHttp2Session).socket?.remoteAddress;
}

function capacity(pressed: boolean): [CheckState, CheckDetail?] {
  return pressed ? ["degraded", "nearly_full"] : ["ok"];
}
