import { setTimeout as pause } from "node:timers/promises";
import postgres from "postgres";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { grpcClient } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { type RouterProcess, reconnectQuickly } from "../support/router-process.ts";
import { type Audit, audit } from "./chaos-audit.ts";
import { Callers } from "./chaos-callers.ts";
import { type FaultOptions, seeded } from "./chaos-faults.ts";

export interface ChaosOptions {
  /** Of an empty database, or one with the migrations. */
  readonly databaseUrl: string;
  readonly seed: number;
  /** SIGKILLs in all, spread over both replicas. */
  readonly kills: number;
  readonly callers: number;
  readonly faults: FaultOptions;
  /** How long everything may take to settle once the load is over. */
  readonly settleWithinMs: number;
  readonly progress?: (line: string) => void;
}

const replicas = 2;
/** How long both replicas live between two deaths. */
const shortestLifeMs = 50;
const longestLifeMs = 1_000;
const lookMs = 100;

/** The calls must not be refused for their number: the load is not what is tried here. */
const environment = {
  SIGNATURE_RESEND_SECONDS: "0",
  TWILIO_SETTLE_MS: "200",
};

/** Loads two replicas, kills them again and again, lets everything settle, and compares all that is known. */
export async function runChaos(options: ChaosOptions): Promise<Audit> {
  const installation = await LiveInstallation.create(options.databaseUrl);
  let result: Audit | undefined;
  try {
    result = await trial(installation, options);
  } finally {
    const end = await installation[Symbol.asyncDispose]().catch((error: unknown) => error);
    // A replica that dies by itself or does not stop cleanly breaks a promise too.
    if (end !== undefined) {
      if (result === undefined) options.progress?.(String(end));
      else result = { ...result, violations: [...result.violations, String(end)] };
    }
  }
  return result;
}

async function trial(installation: LiveInstallation, options: ChaosOptions): Promise<Audit> {
  const { databaseUrl, seed, kills, progress = () => undefined } = options;
  const fraction = seeded(seed);
  const { double } = installation;
  const started = Array.from({ length: replicas }, () => installation.startReplica(environment));
  const slots = await Promise.all(started);
  const clients = slots.map(({ grpcAddress }) =>
    grpcClient(SignatureService, grpcAddress, undefined, reconnectQuickly),
  );
  const sql = postgres(databaseUrl, { max: 2, onnotice: () => undefined });
  const callers = new Callers({ clients, double, fraction, faults: options.faults });
  const over = new AbortController();
  const load = Promise.all(Array.from({ length: options.callers }, () => callers.run(over.signal)));
  // Where the killing fails first, that is what is told.
  load.catch(() => undefined);
  try {
    let killed = 0;
    while (killed < kills) {
      await pause(shortestLifeMs + fraction() * (longestLifeMs - shortestLifeMs));
      const doomed = fraction() < 0.15 ? [0, 1] : [Math.floor(fraction() * replicas)];
      await Promise.all(
        doomed.map(async (slot) => {
          slots[slot] = await killAndRestart(installation, slots[slot]!);
        }),
      );
      killed += doomed.length;
      progress(`${killed} kills: ${callers.stories.length} signatures, ${double.counts.accepted} messages`);
    }
    over.abort();
    await load;
    progress(`settling: ${callers.stories.length} signatures, ${double.counts.accepted} messages`);
    await settled(sql, double, callers.silent, options.settleWithinMs);
    const { counts, violations } = await audit(sql, callers.stories, double.messages);
    const { calls, repeated } = callers.counts;
    const { creates, lookups, callbacks } = double.counts;
    const effort = { seed, "replicas killed": killed, "calls by callers": calls, "calls repeated": repeated };
    const provider = { "create calls": creates, "look-ups": lookups, receipts: callbacks };
    return { violations, counts: { ...effort, ...provider, ...counts } };
  } finally {
    over.abort();
    await load.catch(() => undefined);
    for (const client of clients) client.close();
    await sql.end({ timeout: 5 });
  }
}

/** A replica that comes back on the same addresses, as a pod behind a service does. */
async function killAndRestart(
  installation: LiveInstallation,
  replica: RouterProcess,
): Promise<RouterProcess> {
  await replica.kill("SIGKILL");
  return await installation.startReplica({
    ...environment,
    GRPC_LISTEN: replica.grpcAddress,
    HTTP_LISTEN: replica.httpUrl.slice("http://".length),
    OPS_LISTEN: replica.opsUrl.slice("http://".length),
  });
}

/** Waits until nothing is under way any more: no lease, every message final and told. */
async function settled(
  sql: postgres.Sql,
  double: TwilioDouble,
  silent: ReadonlySet<string>,
  withinMs: number,
): Promise<void> {
  const until = performance.now() + withinMs;
  for (;;) {
    const [row] = await sql<{ leases: number }[]>`
      select count(*)::int as leases from challenge where lease_until is not null`;
    const untold = double.messages.filter(
      ({ to, final, status, callbacks }) =>
        !final || (!silent.has(to) && !callbacks.some((told) => told.status === status)),
    );
    if (row?.leases === 0 && untold.length === 0) return;
    // What is left then stands in the audit.
    if (performance.now() > until) return;
    await pause(lookMs);
  }
}
