import { ConfigError } from "./config/config-error.ts";
import { generatedKeysFile, KeysFile } from "./config/keys-file.ts";
import { type Config, readConfig, secretVariables } from "./config.ts";
import { primaryKey } from "./domain/keys.ts";
import type { Observer } from "./domain/observation.ts";
import type { Route } from "./domain/routing.ts";
import { SignatureService } from "./gen/bank/signature/v1/signature_service_pb.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { parseCallersFile } from "./grpc/callers-file.ts";
import { HealthState, healthService } from "./grpc/health.ts";
import { serveReflection } from "./grpc/reflection.ts";
import { startGrpcServer } from "./grpc/server.ts";
import { signatureService } from "./grpc/signature-service.ts";
import { sandboxBanner } from "./main/banner.ts";
import { systemClock as clock, systemRandom as random } from "./main/clock.ts";
import { listenHttp } from "./main/http-listener.ts";
import { openDatabase } from "./main/open-database.ts";
import { configuredCredentials, startSandbox, twilioPolicy } from "./main/twilio-line.ts";
import { PostgresClosingStore } from "./postgres/closing-store.ts";
import { PostgresDeliveryStore } from "./postgres/delivery-store.ts";
import { guarded } from "./postgres/errors.ts";
import { PostgresSignatureReader } from "./postgres/signature-reader.ts";
import { PostgresSignatureStore } from "./postgres/signature-store.ts";
import { PostgresUpkeepStore } from "./postgres/upkeep-store.ts";
import { TwilioHousekeeping } from "./twilio/housekeeping.ts";
import { TwilioSmsProvider } from "./twilio/sms-provider.ts";
import { statusCallbackHandler } from "./twilio/status-callback.ts";
import { HttpTransport } from "./twilio/transport.ts";
import { AbortSignature } from "./usecases/abort-signature.ts";
import { CompleteSignature } from "./usecases/complete-signature.ts";
import { DeliverChallenge, type ProviderLine } from "./usecases/deliver-challenge.ts";
import { GetSignature } from "./usecases/get-signature.ts";
import { InFlight } from "./usecases/in-flight.ts";
import { RecordReceipt } from "./usecases/record-receipt.ts";
import { Replay } from "./usecases/replay.ts";
import { SendChallenge } from "./usecases/send-challenge.ts";
import { SignatureChanges } from "./usecases/signature-changes.ts";
import { StartSignature } from "./usecases/start-signature.ts";
import { Sweep } from "./usecases/sweep.ts";
import { WatchSignature } from "./usecases/watch-signature.ts";

/** Builds everything, top to bottom, and says how to take it down again. */
async function start(config: Config, startSignal: AbortSignal): Promise<() => Promise<void>> {
  const credentialsFromEnvironment = configuredCredentials(config);
  const observer: Observer = {
    observe: (o) =>
      console.log(
        JSON.stringify(o, (k, v) =>
          v instanceof Error ? (process.env["DEBUG_ERRORS"] ? String(v.stack) : v.name) : v,
        ),
      ),
  };

  // DATA_DIR is made by the embedded server where there is one, which decides about its permissions.
  const keysFile = (): KeysFile => {
    if (config.signature.keysFile !== undefined) return new KeysFile(config.signature.keysFile);
    if (config.production) throw new ConfigError(["SIGNATURE_KEYS_FILE is required in production"]);
    return new KeysFile(generatedKeysFile(config.dataDir));
  };
  let keys!: KeysFile;
  const opened = await openDatabase(
    config,
    () => {
      keys = keysFile();
      return keys.current();
    },
    startSignal,
  );
  const { database } = opened;
  const signatures = guarded(new PostgresSignatureStore(database));
  const closings = guarded(new PostgresClosingStore(database));
  const deliveries = guarded(new PostgresDeliveryStore(database));
  const reader = guarded(new PostgresSignatureReader(database));
  const upkeep = guarded(new PostgresUpkeepStore(database));

  const sandbox = config.sandbox ? await startSandbox() : undefined;
  const credentials = () => sandbox?.credentials ?? credentialsFromEnvironment;
  const evidenceKey = () => primaryKey(keys.current().evidence);

  let handleHttp: Parameters<typeof listenHttp>[1] = (_request, response) =>
    void response.writeHead(503).end();
  const http = await listenHttp(
    config.http,
    (request, response) => handleHttp(request, response),
    (cause) => observer.observe({ type: "upkeep_failed", step: "http", cause }),
  );
  const publicUrl = config.publicUrl ?? (config.sandbox ? http.url : undefined);

  const transport = new HttpTransport({
    baseUrl: sandbox?.double.url ?? config.twilio.apiUrl,
    connections: config.twilio.maxInFlight,
  });
  const { provideFeedback } = config.twilio;
  const twilio = new TwilioSmsProvider({ transport, credentials, evidenceKey, publicUrl, provideFeedback });
  const housekeeping = new TwilioHousekeeping({ transport, credentials });
  const policy = await twilioPolicy(config, database, { clock, random, listener: {} });
  const line: ProviderLine = {
    provider: twilio,
    policy,
    timeoutMs: config.twilio.timeoutMs,
    budgetMs: config.twilio.budgetMs,
    settleMs: config.twilio.settleMs,
    retryUnknown: config.twilio.retryUnknown,
    refreshCredentials: async () => false,
  };

  const { leaseMs } = config.signature;
  const calls = config.twilio.retryDelaysMs.length + 1;
  const inFlight = new InFlight();
  const changes = new SignatureChanges({ reader, clock, observer, pollMs: 250 });
  const deliver = new DeliverChallenge({
    lines: new Map([[twilio.name, line]]),
    deliveries,
    keys,
    clock,
    observer,
  });
  const replay = new Replay({ keys, reader, deliveries, deliver, inFlight, changes, clock, calls, leaseMs });
  const sending = {
    ...{ signatures, deliveries, reader, keys, deliver, replay, inFlight, clock, random, observer },
    routes: [{ channel: twilio.channel, provider: twilio.name }] satisfies Route[],
    challenge: { brand: config.signature.brand, webOtpHost: config.signature.webOtpHost, calls, leaseMs },
  };
  const recordReceipt = new RecordReceipt({ deliveries, observer });
  const sweep = new Sweep({
    ...{ deliveries, upkeep, deliver, inFlight, clock, observer, leaseMs },
    everyMs: config.signature.sweepMs,
    messages: {
      confirm: async (message, signal) =>
        !provideFeedback ||
        (await policy.ask((s) => housekeeping.confirmFeedback(message.providerChallengeId, s), signal)) !==
          "later"
          ? "done"
          : "later",
      redact: async (message, signal) =>
        (await policy.ask((s) => housekeeping.redactBody(message.providerChallengeId, s), signal)) === "later"
          ? "later"
          : "done",
    },
  });

  const callbacks =
    publicUrl === undefined
      ? undefined
      : statusCallbackHandler({
          publicUrl,
          credentials,
          evidenceKey,
          record: (receipt) => recordReceipt.execute(receipt),
        });
  const inbox = sandbox && (await import("./sandbox/inbox.ts")).inboxHandler(sandbox.double);
  handleHttp = (request, response) => {
    if (inbox?.(request, response)) return undefined;
    if (callbacks !== undefined) return callbacks(request, response);
    response.writeHead(404).end();
    return undefined;
  };

  const health = new HealthState([SignatureService.typeName]);
  const grpc = await startGrpcServer({
    listen: config.grpc.listen,
    routes(router, closing) {
      router.service(
        SignatureService,
        signatureService({
          startSignature: new StartSignature({
            ...sending,
            allowedCountries: config.signature.allowedCountries,
            attempts: config.signature.attempts,
            limits: config.signature.limits,
          }),
          sendChallenge: new SendChallenge({
            ...sending,
            rules: {
              cooldownMs: config.signature.resendCooldownMs,
              most: config.signature.resendMax,
              ...config.signature.limits,
            },
          }),
          completeSignature: new CompleteSignature({ closings, keys, observer, block: config.signature.block }),
          abortSignature: new AbortSignature({ closings, reader, observer }),
          getSignature: new GetSignature({ reader }),
          watchSignature: new WatchSignature({ reader, changes }),
          defaultTtlMs: 300_000,
          closing,
        }),
      );
      router.service(Health, healthService(health, closing));
      if (config.grpc.reflection) serveReflection(router, [SignatureService, Health], closing);
    },
    observe: {
      begin: () => ({
        traceId: undefined,
        run: (work) => work(),
        end: (c) => {
          if (c.cause && process.env["DEBUG_ERRORS"]) console.error(c.cause);
        },
      }),
    },
  });
  const stopped = new AbortController();
  const sweeping = sweep.run(stopped.signal);
  health.setAll("SERVING");
  if (config.sandbox) {
    const grpcAddress = `${grpc.address.address}:${grpc.address.port}`;
    console.log(sandboxBanner({ grpc: grpcAddress, http, ops: http }));
  }

  return async () => {
    health.setAll("NOT_SERVING");
    await grpc.drain(config.drainMs);
    stopped.abort();
    await sweeping;
    await inFlight.drained();
    inbox?.close();
    await http.close();
    await sandbox?.double.close();
    await transport.close();
    await opened.close();
  };
}

async function main(): Promise<void> {
  const config = readConfig(process.env);
  for (const name of secretVariables) delete process.env[name];
  const starting = new AbortController();
  const stop = await start(config, starting.signal);
  const end = (signal: NodeJS.Signals) => {
    process.once(signal, () => process.exit(1));
    stop().then(
      () => process.exit(0),
      (error) => {
        console.error(error);
        process.exit(1);
      },
    );
  };
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}

main().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : error);
  process.exit(1);
});
