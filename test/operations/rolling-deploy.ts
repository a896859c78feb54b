import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { grpcClient } from "../support/grpc-client.ts";
import { LiveInstallation } from "../support/live-installation.ts";
import { countOf, PersistentCallers } from "../support/persistent-callers.ts";
import { type RouterProcess, reconnectQuickly } from "../support/router-process.ts";

export interface RollingDeploy {
  readonly counts: Readonly<Record<string, number>>;
  /** How each call on the wire ended. */
  readonly tries: Readonly<Record<string, number>>;
  /** What was promised and is not so; empty when all is well. */
  readonly violations: readonly string[];
}

/** Two endpoints, and each call to the next: what a mesh or a headless service gives a client. */
const balanced = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

async function callsMade(load: PersistentCallers, more: number): Promise<void> {
  const enough = load.calls.length + more;
  while (load.calls.length < enough) await sleep(20);
}

/**
 * Replaces each of two replicas so many times while callers start signatures through both, and then counts.
 * Callers do what they are told to: try again after UNAVAILABLE, with the same key.
 */
export async function rollOver(options: {
  readonly databaseUrl: string;
  readonly rounds: number;
  readonly callers: number;
  /** Calls before, between and after the replacements. */
  readonly callsBetween: number;
  readonly progress?: (line: string) => void;
}): Promise<RollingDeploy> {
  const { databaseUrl, rounds, callers, callsBetween, progress = () => undefined } = options;
  await using installation = await LiveInstallation.create(databaseUrl);
  const env = { TWILIO_TIMEOUT_SECONDS: "5", SIGNATURE_LEASE_SECONDS: "8" };
  const replicas = await Promise.all([installation.startReplica(env), installation.startReplica(env)]);
  installation.double.behaviour.latencyMs = 50;
  const target = `ipv4:${replicas.map(({ grpcAddress }) => grpcAddress).join(",")}`;
  const client = grpcClient(SignatureService, target, undefined, {
    ...reconnectQuickly,
    "grpc.service_config": balanced,
  });
  const load = new PersistentCallers({ client, callers, tries: 5, pauseMs: 100 });
  let replaced = 0;
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, old] of replicas.entries()) {
      await callsMade(load, callsBetween);
      await old.stop();
      replicas[index] = await installation.startReplica({ ...env, ...listenersOf(old) });
      replaced += 1;
      progress(`${replaced} replaced, ${load.calls.length} calls made`);
    }
  }
  await callsMade(load, callsBetween);
  await load.stop();
  client.close();
  return await counted(databaseUrl, installation, load, replaced);
}

/** A deployment keeps its endpoints. */
function listenersOf({ grpcAddress, httpUrl, opsUrl }: RouterProcess): Record<string, string> {
  return {
    GRPC_LISTEN: grpcAddress,
    HTTP_LISTEN: httpUrl.replace("http://", ""),
    OPS_LISTEN: opsUrl.replace("http://", ""),
  };
}

async function counted(
  databaseUrl: string,
  { double }: LiveInstallation,
  load: PersistentCallers,
  replaced: number,
): Promise<RollingDeploy> {
  const failed = load.calls.filter(({ signatureId }) => signatureId === undefined);
  const answered = load.calls.flatMap(({ signatureId }) => signatureId ?? []);
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined });
  const [row] = await sql<{ kept: number; recorded: number; pending: number }[]>`
    select count(*) filter (where s.id = any (${answered}::uuid[]))::int as kept, count(*)::int as recorded,
      count(*) filter (where c.status = 'pending')::int as pending
    from signature s join challenge c on c.signature_id = s.id`.finally(() => sql.end());
  const lost = answered.length - (row?.kept ?? 0);
  const wrong = load.calls.filter(({ to }) => double.messagesTo(to).length !== 1);
  const counts = {
    "replicas replaced": replaced,
    "calls made": load.calls.length,
    "calls on the wire": load.tries.length,
    "calls that needed a second try": load.calls.filter(({ tries }) => tries.length > 1).length,
    "calls that failed for the caller": failed.length,
    "signatures answered": answered.length,
    "signatures lost": lost,
    "signatures without a call": (row?.recorded ?? 0) - answered.length,
    "challenges left pending": row?.pending ?? 0,
    "numbers without exactly one message": wrong.length,
  };
  const mustBeNone = [
    "calls that failed for the caller",
    "signatures lost",
    "signatures without a call",
    "challenges left pending",
    "numbers without exactly one message",
  ] as const;
  const violations = mustBeNone.filter((what) => counts[what] !== 0).map((what) => `${counts[what]} ${what}`);
  return { counts, tries: countOf(load.tries.map(({ end }) => end)), violations };
}
