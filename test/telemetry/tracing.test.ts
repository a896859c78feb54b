import { metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { describe, expect, test } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import { ProviderError, type ProviderResult, type SignatureProvider } from "../../src/domain/provider.ts";
import { instrumentedStore } from "../../src/telemetry/instrumented-store.ts";
import { createInstruments } from "../../src/telemetry/instruments.ts";
import { RpcTelemetry } from "../../src/telemetry/rpc-telemetry.ts";
import { tracedProvider } from "../../src/telemetry/traced-provider.ts";
import { Tracing } from "../../src/telemetry/tracing.ts";
import { capturedLog } from "./captured-log.ts";
import { ids, sid } from "./every-observation.ts";
import { code, foreignErrors, personal, phone } from "./foreign-errors.ts";
import { recordedSpans, shown } from "./recorded-spans.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const callerSpan = "b7ad6b7169203331";
const call = { service: "bank.signature.v1.SignatureService", method: "StartSignature" };
const ended = {
  ...{ ...call, caller: "payments", code: "OK", reason: undefined },
  ...{ signatureId: ids.signatureId, durationMs: 12, cause: undefined },
};
const endpoint = { address: "api.twilio.com", port: 443, template: "/Accounts/{AccountSid}/Messages.json" };
const instruments = createInstruments(metrics.getMeter("test"));

/** Holds what it is asked for in a private field, as the real stores do. */
class Store {
  readonly #row = { phone };
  get lease() {
    return this.#row.phone.length;
  }
  async find(_phone: string): Promise<string> {
    await Promise.resolve();
    return this.#row.phone;
  }
  start(_phone: string): Promise<never> {
    return Promise.reject(foreignErrors()[1]);
  }
}

class Provider implements SignatureProvider {
  readonly name = "twilio";
  readonly channel = "sms";
  readonly #end: () => Promise<ProviderResult>;
  constructor(end: () => Promise<ProviderResult>) {
    this.#end = end;
  }
  isAvailable(): boolean {
    return true;
  }
  sendChallenge(): Promise<ProviderResult> {
    return this.#end();
  }
  async findChallenges(): Promise<ProviderResult[]> {
    return [await this.#end()];
  }
}

const message = { ...ids, attempt: 2, to: phone, text: `Your code is ${code}`, validitySeconds: 60 };
const permit = { mayBegin: () => true };
const never = new AbortController().signal;
const accepted = () => Promise.resolve({ providerChallengeId: sid, providerProof: "p", sentAt: new Date(0) });

describe("traces", () => {
  test("go from the caller through use case, store and provider", async () => {
    using recorded = recordedSpans();
    const { tracing } = recorded;
    const rpc = new RpcTelemetry({ logger: (await capturedLog()).logger, instruments, tracing });
    const store = instrumentedStore(new Store(), { tracing, instruments, name: "SignatureStore" });
    const provider = tracedProvider(new Provider(accepted), tracing, endpoint);
    const useCase = tracing.useCase("StartSignature", {
      async execute(number: string) {
        await store.find(number);
        return await provider.sendChallenge({ ...message, to: number }, permit, never);
      },
    });
    const headers = { traceparent: `00-${traceId}-${callerSpan}-01` };
    const observation = rpc.begin({ ...call, headers });
    await observation.run(() => useCase.execute(phone));
    observation.end(ended);

    const spans = recorded.spans();
    expect(observation.traceId).toBe(traceId);
    expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([traceId]));
    const idOf = (name: string) => spans.find((span) => span.name === name)?.spanContext().spanId;
    const rpcName = "bank.signature.v1.SignatureService/StartSignature";
    expect(spans.map(shown)).toMatchObject([
      {
        name: "SignatureStore.find",
        kind: SpanKind.CLIENT,
        parent: idOf("StartSignature"),
        attributes: { "db.system.name": "postgresql", "db.operation.name": "SignatureStore.find" },
      },
      {
        name: "POST /Accounts/{AccountSid}/Messages.json",
        kind: SpanKind.CLIENT,
        parent: idOf("StartSignature"),
        attributes: {
          "http.request.method": "POST",
          "server.address": "api.twilio.com",
          "server.port": 443,
          "http.request.resend_count": 1,
          "signature.id": ids.signatureId,
        },
      },
      { name: "StartSignature", kind: SpanKind.INTERNAL, parent: idOf(rpcName) },
      {
        name: rpcName,
        kind: SpanKind.SERVER,
        parent: callerSpan,
        attributes: {
          "rpc.system.name": "grpc",
          "rpc.method": rpcName,
          "rpc.status_code": "OK",
          "signature.id": ids.signatureId,
        },
      },
    ]);
  });

  test("hold nothing personal, and of errors only class or code", async () => {
    using recorded = recordedSpans();
    const { tracing } = recorded;
    const store = instrumentedStore(new Store(), { tracing, instruments, name: "SignatureStore" });
    const timeout = { provider: "twilio", providerErrorCode: "timeout", retryable: true } as const;
    const ends = [
      accepted,
      () => Promise.reject(new ProviderError({ ...timeout, outcome: "unknown" })),
      ...foreignErrors().map((error) => () => Promise.reject(error)),
    ];
    for (const end of ends) {
      const provider = tracedProvider(new Provider(end), tracing, endpoint);
      const query = { to: phone, text: message.text, firstCallAgeMs: 1 };
      await provider.findChallenges(query, never).catch(() => undefined);
      const useCase = tracing.useCase("StartSignature", {
        async execute(number: string) {
          await store.start(number).catch(() => undefined);
          return await provider.sendChallenge({ ...message, to: number }, permit, never);
        },
      });
      await useCase.execute(phone).catch(() => undefined);
    }
    const spans = recorded.spans().map(shown);
    const text = JSON.stringify(spans);
    for (const part of personal) expect(text).not.toContain(part);
    const failed = spans.filter(({ status }) => status.code === SpanStatusCode.ERROR);
    expect(failed.map(({ name, attributes }) => `${name} ${attributes["error.type"]}`)).toEqual(
      expect.arrayContaining([
        "SignatureStore.start 23505",
        "POST /Accounts/{AccountSid}/Messages.json timeout",
      ]),
    );
    expect(spans.flatMap(({ events }) => events)).toEqual([]);
  });

  test("show a refusal by its reason, and not as an error", async () => {
    using recorded = recordedSpans();
    const refuse = { execute: () => Promise.reject(new Failure("CODE_MISMATCH", "wrong")) };
    await recorded.tracing
      .useCase("CompleteSignature", refuse)
      .execute()
      .catch(() => undefined);
    expect(recorded.spans().map(shown)).toMatchObject([
      { attributes: { "error.type": "CODE_MISMATCH" }, status: { code: SpanStatusCode.UNSET } },
    ]);
  });

  test("have no spans for what the caller did not sample, for probes, or for polls", async () => {
    using recorded = recordedSpans();
    const { tracing } = recorded;
    const rpc = new RpcTelemetry({ logger: (await capturedLog()).logger, instruments, tracing });
    const store = instrumentedStore(new Store(), { tracing, instruments, name: "SignatureStore" });
    const unsampled = rpc.begin({ ...call, headers: { traceparent: `00-${traceId}-${callerSpan}-00` } });
    await unsampled.run(() => store.find(phone));
    unsampled.end(ended);
    const probe = { service: "grpc.health.v1.Health", method: "Check" };
    rpc.begin({ ...probe, headers: {} }).end({ ...ended, ...probe });
    await store.find(phone);
    expect(unsampled.traceId).toBe(traceId);
    expect(recorded.spans()).toEqual([]);
  });

  test("cost nothing without an exporter: use cases and providers stay as they are", () => {
    const tracing = new Tracing({ tracer: trace.getTracer("none"), enabled: false });
    const provider = new Provider(accepted);
    const useCase = { execute: () => Promise.resolve(1) };
    expect(tracedProvider(provider, tracing, endpoint)).toBe(provider);
    expect(tracing.useCase("StartSignature", useCase)).toBe(useCase);
  });

  test("leave a store's private state and getters reachable", async () => {
    using recorded = recordedSpans();
    const deps = { tracing: recorded.tracing, instruments, name: "SignatureStore" };
    const store = instrumentedStore(new Store(), deps);
    expect(store.lease).toBe(phone.length);
    expect(await store.find("")).toBe(phone);
    expect(store.find).toBe(store.find);
  });
});
