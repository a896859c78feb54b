import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { AccessLog } from "./access-log.ts";
import type { ClientKind } from "./caller.ts";
import { compare } from "./compare.ts";
import { measureFloor } from "./floor.ts";
import { Installation } from "./installation.ts";
import { machine } from "./machine.ts";
import { plot } from "./plot.ts";
import { memoryOf } from "./process-cost.ts";
import { printProfiles } from "./profile.ts";
import { compareReplicas } from "./replicas.ts";
import { hasFailures, type OpenStep, type Results, report, type Soak, type Step, table } from "./report.ts";
import { bundleService } from "./service.ts";

// npm run bench -- [--quick] [--client http2] [--receipts] [--replicas 2] [--against CHECKOUT] [--profile] [--results FOLDER]

const { values: flags } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    client: { type: "string", default: "grpc-js" },
    receipts: { type: "boolean", default: false },
    replicas: { type: "string", default: "1" },
    against: { type: "string" },
    profile: { type: "boolean", default: false },
    results: { type: "string", default: "bench-results" },
  },
});
const client: ClientKind = flags.client === "http2" ? "http2" : "grpc-js";
const closedSeconds = flags.quick ? 2 : 10;
const openSeconds = flags.quick ? 3 : 30;
const soakSeconds = flags.quick ? 0 : 300;
const starts = flags.quick ? 3 : 7;
const methods = ["StartSignature", "CompleteSignature", "GetSignature"] as const;
const progress = (line: string) =>
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(4)} s  ${line}`);

async function closedLoops(installation: Installation): Promise<{ steps: Step[]; vacuumUs: number }> {
  const steps: Step[] = [];
  let vacuumMs = 0;
  await installation.autovacuum("off");
  for (const callers of [1, 16, 64, 256]) {
    for (const method of methods) {
      // Completing is at most so much faster than starting, which came right before.
      const started = steps.at(-1)?.measured.perSecond ?? 0;
      if (method === "CompleteSignature")
        await installation.prepareCodes(Math.ceil(closedSeconds * started * 2.5));
      vacuumMs += await installation.vacuum();
      const measured = await installation.measure({ method, callers, seconds: closedSeconds });
      steps.push({ method, callers, measured });
      progress(
        `${method}, ${callers} callers: ${measured.perSecond.toFixed(0)}/s, ${measured.serviceUs.toFixed(0)} µs`,
      );
    }
  }
  await installation.autovacuum("on");
  const recorded = await installation.double.ask<number>("accepted");
  return { steps, vacuumUs: (vacuumMs * 1000) / recorded };
}

async function openLoops(installation: Installation): Promise<OpenStep[]> {
  const steps: OpenStep[] = [];
  for (const twilioMs of [0, 800]) {
    await installation.double.ask("latency", twilioMs);
    for (const perSecond of [100, 300]) {
      // Only a start waits for Twilio.
      for (const method of twilioMs === 0 ? methods : (["StartSignature"] as const)) {
        if (method === "CompleteSignature") await installation.prepareCodes(openSeconds * perSecond * 1.1);
        const log = new AccessLog(installation.logFile);
        const measured = await installation.measure({ method, perSecond, seconds: openSeconds });
        const ownP99 = await log.ownP99Of(method);
        const databaseConnections = await connections(installation);
        steps.push({ method, perSecond, twilioMs, measured, ownP99, databaseConnections });
        progress(
          `${method} at ${perSecond}/s, Twilio at ${twilioMs} ms: p99 ${ownP99.toFixed(1)} ms of its own`,
        );
      }
    }
  }
  await installation.double.ask("latency", 0);
  return steps;
}

/** Whether anything grows while Twilio is slow. */
async function soak(installation: Installation, pid: number): Promise<Soak | undefined> {
  if (soakSeconds === 0) return undefined;
  const perSecond = 300;
  const twilioMs = 800;
  const seconds = 10;
  await installation.double.ask("latency", twilioMs);
  const samples: Soak["samples"][number][] = [];
  for (let passed = 0; passed < soakSeconds; passed += seconds) {
    const log = new AccessLog(installation.logFile);
    const { inFlight } = await installation.measure({ method: "StartSignature", perSecond, seconds });
    const ownP99 = await log.ownP99Of("StartSignature");
    const databaseConnections = await connections(installation);
    samples.push({ rssMb: memoryOf(pid).rssMb, databaseConnections, inFlight, ownP99 });
    progress(`slow Twilio, ${passed + seconds} of ${soakSeconds} s`);
  }
  await installation.double.ask("latency", 0);
  return { perSecond, twilioMs, seconds: soakSeconds, samples };
}

async function connections({ sql }: Installation): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*)::int as count from pg_stat_activity where application_name = 'signature-router'`;
  return row?.count ?? 0;
}

async function run(installation: Installation): Promise<Results> {
  const main = bundleService(join(installation.directory, "dist"));
  progress("bundled");
  const startsMs: number[] = [];
  // The first one makes the schema.
  for (let n = 0; n <= starts; n += 1) {
    const service = await installation.startService(main);
    if (n > 0) startsMs.push(service.startMs);
    await installation.stop(service);
  }
  progress(`started ${starts} times: ${startsMs.map((ms) => ms.toFixed(0)).join(", ")} ms`);
  const service = await installation.startService(main, { receipts: flags.receipts });
  await sleep(2000);
  const idleRssMb = memoryOf(service.pid).rssMb;
  await installation.connect(client);
  for (const method of methods) {
    if (method === "CompleteSignature") await installation.prepareCodes(closedSeconds * 1800);
    // V8 takes half a minute of a path until it has made the most of it.
    const seconds = closedSeconds * (method === "StartSignature" ? 3 : 1);
    await installation.measure({ method, callers: 64, seconds });
  }
  progress("warm");
  const { steps: closed, vacuumUs } = await closedLoops(installation);
  await installation.settled();
  progress("what the load left is done");
  const open = await openLoops(installation);
  const { rssMb, peakMb } = memoryOf(service.pid);
  const soaked = await soak(installation, service.pid);
  const floor = await measureFloor(installation, { main, client, callers: 64, seconds: closedSeconds });
  return {
    machine: await machine(installation.sql),
    client,
    receipts: flags.receipts,
    replicas: 1,
    startsMs,
    idleRssMb,
    loadedRssMb: rssMb,
    peakRssMb: Math.max(peakMb, memoryOf(service.pid).peakMb),
    closed,
    vacuumUs,
    open,
    floor,
    soak: soaked,
  };
}

async function againstOther(installation: Installation, other: string): Promise<void> {
  const here = resolve(import.meta.dirname, "../..");
  const rounds = flags.quick ? 3 : 7;
  const compared = await compare(installation, {
    ...{ here, there: resolve(other), client, rounds, seconds: flags.quick ? 2 : 5, callers: 64 },
  });
  const rows = compared.flatMap(({ method, here: ours, there }) =>
    [["here", ours] as const, ["there", there] as const].map(([side, cost]) => [
      `${method} ${side}`,
      ...[cost.perSecond, cost.serviceUs, cost.postgresUs, cost.p50, cost.p99].map((value) =>
        value.toFixed(0),
      ),
    ]),
  );
  console.log(
    table(["64 callers", "calls/s", "service µs", "PostgreSQL µs", "p50 ms", "p99 ms"], rows).join("\n"),
  );
}

await using installation = await Installation.create();
progress("PostgreSQL, Twilio's double and the callers run");
if (flags.against !== undefined) await againstOther(installation, flags.against);
else if (flags.profile) await printProfiles(installation, closedSeconds);
else if (Number(flags.replicas) > 1)
  await compareReplicas(installation, { client, replicas: Number(flags.replicas), seconds: closedSeconds });
else {
  const results = await run(installation);
  mkdirSync(flags.results, { recursive: true });
  writeFileSync(join(flags.results, "bench.json"), `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(join(flags.results, "bench.svg"), plot(results));
  writeFileSync(join(flags.results, "bench.md"), `${report(results)}\n`);
  console.log(report(results));
  console.log(`\nWritten to ${resolve(flags.results)}: bench.md, bench.json, bench.svg`);
  if (hasFailures(results)) process.exitCode = 1;
}
