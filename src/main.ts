import packageJson from "../package.json" with { type: "json" };
import { type Config, headerVariables, readConfig, secretVariables } from "./config.ts";
import { primaryKey } from "./domain/keys.ts";
import { MessageTexts } from "./domain/message-texts.ts";
import { jwks } from "./domain/receipt.ts";
import { announce } from "./main/banner.ts";
import { setUpTls, tlsCheck } from "./main/callers.ts";
import { openCheckpointSinks } from "./main/checkpoint-sinks.ts";
import { systemClock as clock, systemRandom as random } from "./main/clock.ts";
import { drain } from "./main/drain.ts";
import { serveGrpc } from "./main/grpc-service.ts";
import { type HttpHandler, httpUrl, listenHttp } from "./main/http-listener.ts";
import { httpRoutes } from "./main/http-routes.ts";
import { type Opening, runUntilStopped } from "./main/lifecycle.ts";
import { openDatabase } from "./main/open-database.ts";
import { listenOps } from "./main/ops-listener.ts";
import { scrubEnvironment } from "./main/scrub-environment.ts";
import { environmentSecrets, logVaultEvent, secretsCheck, vaultSecrets } from "./main/secrets.ts";
import { openStores } from "./main/stores.ts";
import { openTwilioLine, startSandbox, watchedForDuplicates } from "./main/twilio-line.ts";
import { buildUseCases } from "./main/use-cases.ts";
import { watchDatabase } from "./main/watch-database.ts";
import { claimInstallation } from "./postgres/installation.ts";
import { keyHistory } from "./postgres/key-history.ts";
import { HandshakeTelemetry } from "./telemetry/handshake-telemetry.ts";
import { instrumentedStore } from "./telemetry/instrumented-store.ts";
import { createInstruments } from "./telemetry/instruments.ts";
import { createLogger } from "./telemetry/logger.ts";
import { TelemetryObserver } from "./telemetry/observer.ts";
import { QuotaTelemetry } from "./telemetry/quota-telemetry.ts";
import { checkNames, Readiness } from "./telemetry/readiness.ts";
import { faultTexts, RepeatedFaults } from "./telemetry/repeated-faults.ts";
import { RpcTelemetry } from "./telemetry/rpc-telemetry.ts";
import { observeRuntime } from "./telemetry/runtime-metrics.ts";
import { startTelemetry } from "./telemetry/sdk.ts";

/** What a receipt that is being recorded has left when the service stops; the provider brings others again. */
const receiptsMs = 5_000;

// The composition root: everything is built here, top to bottom, and taken down in reverse.

/** @param secretsShown variables whose values the kernel still shows to others */
async function start(
  config: Config,
  called: AbortSignal,
  opening: Opening,
  secretsShown: readonly string[],
): Promise<() => Promise<void>> {
  const { version } = packageJson;
  const logger = await createLogger({ level: config.logLevel });
  const telemetry = await startTelemetry({ otel: config.otel, version, logger });
  // The exporters have read them.
  const readable = [...secretsShown, ...scrubEnvironment(process.env, headerVariables)];
  const { tracing } = telemetry;
  const instruments = createInstruments(telemetry.meter);
  const faults = new RepeatedFaults({ logger, now: () => clock.now() });
  const observer = new TelemetryObserver({ logger, instruments, faults, now: Date.now });
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
            async onKeys(changed) {
              await claimInstallation(database, "live", changed);
              history = await keyHistory(database);
            },
          },
          called,
        );
  // Vault tells of itself from the first reading on, before there is anything to ask.
  let tellSecrets = (): void => undefined;
  const opened = await openDatabase(config, openSecrets, called);
  opening.close = () => opened.close();
  const { database, secrets } = opened;
  const { keys, signer, codes } = secrets;
  let history = await keyHistory(database);
  readiness.set("database", "ok");
  tellSecrets = () => readiness.set("secrets", ...secretsCheck(secrets.health()));
  tellSecrets();
  const texts = new MessageTexts(config.signature.textVersion);
  const stores = openStores(
    database,
    { ...config.twilio, newestText: texts.newest },
    { decorate: (name, store) => instrumentedStore(store, { tracing, instruments, name }), observer },
  );

  const sandbox = config.sandbox ? await startSandbox() : undefined;
  const credentials = () => sandbox?.credentials ?? secrets.credentials();
  const refreshCredentials = () => secrets.refreshCredentials();
  const evidenceKey = () => primaryKey(keys.current().evidence);

  // Listens before its handlers exist: in the sandbox the callback address is this listener's.
  let handleHttp: HttpHandler = (_request, response) => void response.writeHead(503).end();
  const http = await listenHttp(
    config.http,
    (request, response) => handleHttp(request, response),
    (cause) => faults.failed(faultTexts.http, "http", cause),
    { keepAliveMs: config.httpKeepAliveMs },
  );
  const publicUrl = config.publicUrl ?? (config.sandbox ? http.url : undefined);

  const line = await openTwilioLine(config, {
    ...{ database, clock, random, logger, instruments, tracing, readiness },
    ...{ credentials, refreshCredentials, evidenceKey, publicUrl, sandboxUrl: sandbox?.double.url },
  });
  const { provider, policy, messages, breaker } = line;

  const tls =
    config.grpc.tls &&
    setUpTls(
      config.grpc.tls,
      {
        onFault: ({ file, fault }) => logger.error("TLS files not usable", { file, detail: fault }),
        onState: (state) => readiness.set("tls", ...tlsCheck(state)),
      },
      { clock, now: () => new Date() },
    );
  readiness.set("tls", "ok");
  const useCases = buildUseCases(
    {
      ...{ stores, keys, signer, codes, texts, clock, random, messages },
      checkpointSinks: openCheckpointSinks(config.checkpoints),
      observer: watchedForDuplicates(observer, line),
      lines: [line],
      routes: [{ channel: provider.channel, provider: provider.name }],
      breakers: [breaker],
      ownLimits: (name) => tls?.callers().list.find((caller) => caller.name === name),
    },
    config,
  );
  const { budget, carryOutOrders, changes, inFlight, receipts, recordReceipt, sweep } = useCases;

  const inbox = sandbox && (await import("./sandbox/inbox.ts")).inboxHandler(sandbox.double);
  handleHttp = httpRoutes({
    ...{ publicUrl, credentials, refreshCredentials, evidenceKey, recordReceipt, clock, faults, inbox },
  });

  const now = () => clock.now();
  const handshakes = new HandshakeTelemetry({ logger, instruments, now });
  const quotas = new QuotaTelemetry({ logger, instruments, now });
  const grpc = await serveGrpc(config, {
    ...{ useCases, readiness, tracing, quotas, handshakes, tls },
    observe: rpcTelemetry,
  });
  const ops = await listenOps(config, {
    metrics: () => telemetry.prometheusText(),
    health: readiness,
    jwks: () => jwks(signer.verifying(), history),
    logger,
  });
  const unobserve = observeRuntime(instruments, {
    version,
    inFlight: () => inFlight.size,
    watched: () => changes.watched,
    grpcHeld: grpc.held,
    providerCalls: () => policy.bulkhead,
    breaker: () => policy.breaker.state(),
    settlingMs: () => line.settling.currentMs(),
    budget: () => budget.use,
    certificates: tls?.expiries,
    readiness,
  });

  const [sweepEnd, watchEnd] = [new AbortController(), new AbortController()];
  const watching = watchDatabase({ database, clock, readiness, faults }, watchEnd.signal);
  const faultLines = setInterval(() => faults.check(), 5000).unref();
  const sweeping = sweep.run(sweepEnd.signal);
  readiness.set("draining", "ok");
  const listeners = { grpc: httpUrl(grpc.address), http: http.url, ops: ops.url };
  announce(logger, config, listeners);
  if (readable.length > 0) logger.warn("secrets stay in /proc/<pid>/environ", { count: readable.length });

  return async () => {
    logger.info("stopping");
    readiness.set("draining", "failed", "draining");
    const endSweep = () => {
      sweepEnd.abort();
      return sweeping;
    };
    await drain({ grpc, endSweep, inFlight, clock }, config.drainMs);
    await Promise.all([carryOutOrders.idle(), inFlight.end(0, clock), receipts.stored()]);
    watchEnd.abort();
    await watching;
    clearInterval(faultLines);
    tls?.stop();
    unobserve();
    inbox?.close();
    await Promise.all([http.close(receiptsMs, clock), sandbox?.double.close(), line.close()]);
    await opened.close();
    await ops.close(0, clock);
    logger.info("stopped");
    await telemetry.shutdown();
    logger.flush();
  };
}

runUntilStopped(async (called, opening) => {
  const config = readConfig(process.env);
  // Child processes, crash reports and readers of /proc/<pid>/environ see no secret.
  return await start(config, called, opening, scrubEnvironment(process.env, secretVariables));
});
