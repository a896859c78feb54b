import packageJson from "../package.json" with { type: "json" };
import { type Config, readConfig, secretVariables } from "./config.ts";
import { primaryKey } from "./domain/keys.ts";
import { jwks } from "./domain/receipt.ts";
import type { Route } from "./domain/routing.ts";
import { SignatureService } from "./gen/bank/signature/v1/signature_service_pb.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { HealthState, healthService } from "./grpc/health.ts";
import { serveReflection } from "./grpc/reflection.ts";
import { startGrpcServer } from "./grpc/server.ts";
import { signatureService } from "./grpc/signature-service.ts";
import { announce } from "./main/banner.ts";
import { setUpTls } from "./main/callers.ts";
import { systemClock as clock, systemRandom as random } from "./main/clock.ts";
import { type HttpHandler, httpUrl, listenHttp } from "./main/http-listener.ts";
import { httpRoutes } from "./main/http-routes.ts";
import { type Opening, runUntilStopped } from "./main/lifecycle.ts";
import { outerLimits } from "./main/limits.ts";
import { openDatabase } from "./main/open-database.ts";
import { environmentSecrets, logVaultEvent, secretsCheck, vaultSecrets } from "./main/secrets.ts";
import { messageUpkeep, startSandbox, twilioPolicy } from "./main/twilio-line.ts";
import { watchDatabase } from "./main/watch-database.ts";
import { PostgresClosingStore } from "./postgres/closing-store.ts";
import { PostgresDeliveryStore } from "./postgres/delivery-store.ts";
import { guarded } from "./postgres/errors.ts";
import { PostgresEvidenceStore } from "./postgres/evidence-store.ts";
import { claimInstallation } from "./postgres/installation.ts";
import { PostgresOperatorOrderStore } from "./postgres/operator-order-store.ts";
import { PostgresSignatureReader } from "./postgres/signature-reader.ts";
import { PostgresSignatureStore } from "./postgres/signature-store.ts";
import { PostgresUpkeepStore } from "./postgres/upkeep-store.ts";
import { instrumentedStore } from "./telemetry/instrumented-store.ts";
import { createInstruments } from "./telemetry/instruments.ts";
import { createLogger } from "./telemetry/logger.ts";
import { TelemetryObserver } from "./telemetry/observer.ts";
import { startOpsServer } from "./telemetry/ops-server.ts";
import { providerMetrics } from "./telemetry/provider-metrics.ts";
import { checkNames, Readiness } from "./telemetry/readiness.ts";
import { RpcTelemetry } from "./telemetry/rpc-telemetry.ts";
import { observeRuntime } from "./telemetry/runtime-metrics.ts";
import { startTelemetry } from "./telemetry/sdk.ts";
import { tracedProvider } from "./telemetry/traced-provider.ts";
import { TwilioSmsProvider } from "./twilio/sms-provider.ts";
import { HttpTransport } from "./twilio/transport.ts";
import { AbortSignature } from "./usecases/abort-signature.ts";
import { CarryOutOrders } from "./usecases/carry-out-orders.ts";
import { CompleteSignature } from "./usecases/complete-signature.ts";
import { DeliverChallenge } from "./usecases/deliver-challenge.ts";
import type { ProviderLine } from "./usecases/delivery-run.ts";
import { GetSignature } from "./usecases/get-signature.ts";
import { InFlight } from "./usecases/in-flight.ts";
import { KeepReceipts } from "./usecases/keep-receipts.ts";
import { RecordReceipt } from "./usecases/record-receipt.ts";
import { RemoveClosedSignatures } from "./usecases/remove-closed-signatures.ts";
import { Replay } from "./usecases/replay.ts";
import { SealSignatures } from "./usecases/seal-signatures.ts";
import { SendChallenge } from "./usecases/send-challenge.ts";
import { SignatureChanges } from "./usecases/signature-changes.ts";
import { StartSignature } from "./usecases/start-signature.ts";
import { Sweep } from "./usecases/sweep.ts";
import { WatchSignature } from "./usecases/watch-signature.ts";

/** What a step over a day's seals may take: nobody waits for it. */
const auditMs = 10 * 60_000;
/** What a receipt that is being recorded has left when the service stops; the provider brings others again. */
const receiptsMs = 5_000;

// The composition root: everything is built here, top to bottom, and taken down in reverse.

async function start(config: Config, called: AbortSignal, opening: Opening): Promise<() => Promise<void>> {
  const { version } = packageJson;
  const logger = await createLogger({ level: config.logLevel });
  const telemetry = await startTelemetry({ otel: config.otel, version, logger });
  const { tracing } = telemetry;
  const instruments = createInstruments(telemetry.meter);
  const observer = new TelemetryObserver({ logger, instruments, now: Date.now });
  const rpcTelemetry = new RpcTelemetry({ logger, instruments, tracing });
  const readiness = new Readiness({ checks: checkNames, now: () => new Date() });

  const openSecrets = async () =>
    config.vault === undefined
      ? environmentSecrets(config)
      : await vaultSecrets(
          config.vault,
          {
            ...{ clock, random },
            onEvent(event) {
              logVaultEvent(logger, event);
              tellSecrets();
            },
            onKeys: (changed) => claimInstallation(database, "live", changed),
          },
          called,
        );
  // Vault tells of itself from the first reading on, before there is anything to ask.
  let tellSecrets = (): void => undefined;
  const opened = await openDatabase(config, openSecrets, called);
  opening.close = () => opened.close();
  const { database, secrets } = opened;
  const { keys } = secrets;
  readiness.set("database", "ok");
  tellSecrets = () => readiness.set("secrets", ...secretsCheck(secrets.health()));
  tellSecrets();
  const store = <Store extends object>(name: string, adapter: Store, deadlineMs?: number): Store =>
    guarded(instrumentedStore(adapter, { tracing, instruments, name }), deadlineMs);
  const signatures = store("SignatureStore", new PostgresSignatureStore(database));
  const closings = store("ClosingStore", new PostgresClosingStore(database, config.twilio.provideFeedback));
  const deliveries = store("DeliveryStore", new PostgresDeliveryStore(database, config.twilio.settleMs));
  const reader = store("SignatureReader", new PostgresSignatureReader(database));
  const upkeep = store("UpkeepStore", new PostgresUpkeepStore(database));
  const evidence = store("EvidenceStore", new PostgresEvidenceStore(database), auditMs);
  const orders = store("OperatorOrderStore", new PostgresOperatorOrderStore(database));

  const sandbox = config.sandbox ? await startSandbox() : undefined;
  const credentials = () => sandbox?.credentials ?? secrets.credentials();
  const refreshCredentials = () => secrets.refreshCredentials();
  const evidenceKey = () => primaryKey(keys.current().evidence);

  // Listens before its handlers exist: in the sandbox the callback address is this listener's.
  let handleHttp: HttpHandler = (_request, response) => void response.writeHead(503).end();
  const http = await listenHttp(
    config.http,
    (request, response) => handleHttp(request, response),
    (cause) => logger.error("http request failed", {}, cause),
  );
  const publicUrl = config.publicUrl ?? (config.sandbox ? http.url : undefined);

  const apiUrl = new URL(sandbox?.double.url ?? config.twilio.apiUrl);
  const transport = new HttpTransport({ baseUrl: apiUrl.href, connections: config.twilio.maxInFlight });
  const { provideFeedback } = config.twilio;
  const twilio = tracedProvider(
    new TwilioSmsProvider({ transport, credentials, evidenceKey, publicUrl, provideFeedback }),
    tracing,
    {
      address: apiUrl.hostname,
      port: Number(apiUrl.port || 443),
      template: "/2010-04-01/Accounts/{AccountSid}/Messages.json",
    },
  );
  const metrics = providerMetrics({ instruments, logger, provider: twilio.name });
  const policy = await twilioPolicy(config, database, {
    clock,
    random,
    listener: {
      ...metrics,
      onBreaker(state) {
        metrics.onBreaker(state);
        if (state === "closed") readiness.set("breaker", "ok");
        else readiness.set("breaker", "degraded", state);
      },
    },
  });
  readiness.set("breaker", "ok");
  const line: ProviderLine = { provider: twilio, policy, refreshCredentials, ...config.twilio };

  const { leaseMs, limits, block } = config.signature;
  const calls = config.twilio.retryDelaysMs.length + 1;
  const inFlight = new InFlight(observer);
  const changes = new SignatureChanges({ reader, clock, observer, pollMs: 250 });
  const lines = new Map([[twilio.name, line]]);
  const deliver = new DeliverChallenge({ lines, deliveries, keys, changes, clock, observer });
  const replay = new Replay({ keys, reader, deliveries, deliver, inFlight, changes, clock, calls, leaseMs });
  const { callerLimit, pumping } = outerLimits(config.signature, {
    ...{ database, store, clock, observer },
    ownPerSecond: (name) => tls?.callers().list.find((caller) => caller.name === name)?.perSecond,
  });
  const sending = {
    ...{ signatures, deliveries, reader, keys, deliver, replay, inFlight, changes, clock, random, observer },
    ...{ callerLimit, pumping },
    routes: [{ channel: twilio.channel, provider: twilio.name }] satisfies Route[],
    challenge: { brand: config.signature.brand, webOtpHost: config.signature.webOtpHost, calls, leaseMs },
  };
  const startSignature = new StartSignature({
    ...sending,
    allowedCountries: config.signature.allowedCountries,
    allowedNumberTypes: config.signature.allowedNumberTypes,
    attempts: config.signature.attempts,
    defaultLanguage: config.signature.defaultLanguage,
    limits,
  });
  const sendChallenge = new SendChallenge({
    ...sending,
    rules: { cooldownMs: config.signature.resendCooldownMs, most: config.signature.resendMax, ...limits },
  });
  const receipts = new KeepReceipts({ closings, observer });
  const completeSignature = new CompleteSignature({ closings, receipts, keys, observer, block, pumping });
  const abortSignature = new AbortSignature({ closings, reader, observer });
  const getSignature = new GetSignature({ reader, receipts: evidence, keys });
  const watchSignature = new WatchSignature({ reader, changes });
  const recordReceipt = new RecordReceipt({ deliveries, observer });
  const carryOutOrders = new CarryOutOrders({
    ...{ orders, abortSignature, sendChallenge, deliveries, deliver, inFlight },
    ...{ clock, observer, calls, leaseMs },
    breakers: [
      { provider: twilio.name, open: () => policy.breaker.isolate(), close: () => policy.breaker.close() },
    ],
  });
  const sealSignatures = new SealSignatures({ evidence, keys });
  const removeClosed = new RemoveClosedSignatures({
    evidence,
    retentionDays: config.signature.retentionDays,
  });
  const sweep = new Sweep({
    ...{ deliveries, upkeep, deliver, inFlight, clock, observer, leaseMs, pumping },
    everyMs: config.signature.sweepMs,
    messages: messageUpkeep({ transport, credentials, policy, provideFeedback }),
    chores: {
      carry_out_orders: () => carryOutOrders.once(20),
      seal: (signal) => sealSignatures.once(signal),
      remove_closed: () => removeClosed.once(),
    },
  });

  const inbox = sandbox && (await import("./sandbox/inbox.ts")).inboxHandler(sandbox.double);
  handleHttp = httpRoutes({
    ...{ publicUrl, credentials, refreshCredentials, evidenceKey, recordReceipt, clock, logger, inbox },
  });

  const tls =
    config.grpc.tls && setUpTls(config.grpc.tls, (error) => logger.error("files not usable", {}, error));
  const health = new HealthState([SignatureService.typeName]);
  readiness.subscribe(({ ready }) => health.setAll(ready ? "SERVING" : "NOT_SERVING"));
  const grpc = await startGrpcServer({
    listen: config.grpc.listen,
    ...(tls && { tls }),
    routes(router, closing) {
      router.service(
        SignatureService,
        signatureService({
          startSignature: tracing.useCase("StartSignature", startSignature),
          sendChallenge: tracing.useCase("SendChallenge", sendChallenge),
          completeSignature: tracing.useCase("CompleteSignature", completeSignature),
          abortSignature: tracing.useCase("AbortSignature", abortSignature),
          getSignature: tracing.useCase("GetSignature", getSignature),
          watchSignature,
          defaultTtlMs: 300_000,
          closing,
        }),
      );
      router.service(Health, healthService(health, closing));
      if (config.grpc.reflection) serveReflection(router, [SignatureService, Health], closing);
    },
    observe: rpcTelemetry,
  });
  tls?.onCertificates((certificates) => grpc.setTls(certificates));
  const ops = await startOpsServer({
    ...config.ops,
    metrics: () => telemetry.prometheusText(),
    health: readiness,
    jwks: () => jwks(keys.current().receipt),
    logger,
  });
  const unobserve = observeRuntime(instruments, {
    version,
    inFlight: () => inFlight.size,
    watched: () => changes.watched,
    providerCalls: () => policy.bulkhead,
    breaker: () => policy.breaker.state(),
    readiness,
  });

  const [sweepEnd, watchEnd] = [new AbortController(), new AbortController()];
  const watching = watchDatabase({ database, clock, readiness }, watchEnd.signal);
  const sweeping = sweep.run(sweepEnd.signal);
  readiness.set("draining", "ok");
  const listeners = { grpc: httpUrl(grpc.address), http: http.url, ops: httpUrl(ops.address) };
  announce(logger, config.sandbox, listeners);

  return async () => {
    logger.info("stopping");
    readiness.set("draining", "failed", "draining");
    const finished = await grpc.drain(config.drainMs);
    sweepEnd.abort();
    // Together: an operator's order waits for what is in flight.
    await Promise.all([sweeping, inFlight.end(finished ? config.drainMs : 0, clock)]);
    await Promise.all([carryOutOrders.idle(), inFlight.end(0, clock), receipts.stored()]);
    watchEnd.abort();
    await watching;
    tls?.stop();
    unobserve();
    inbox?.close();
    await Promise.all([http.close(receiptsMs, clock), sandbox?.double.close(), transport.close()]);
    await opened.close();
    await ops.close();
    logger.info("stopped");
    await telemetry.shutdown();
    logger.flush();
  };
}

runUntilStopped(async (called, opening) => {
  const config = readConfig(process.env);
  // Child processes, crash reports and /proc/self/environ's readers inside this process see no secret.
  for (const name of secretVariables) delete process.env[name];
  return await start(config, called, opening);
});
