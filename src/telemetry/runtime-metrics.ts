import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import type { BudgetUse } from "../domain/message-budget.ts";
import type { Instruments } from "./instruments.ts";
import { metricDefinitions } from "./metric-definitions.ts";
import { type CheckName, checkStates, type ReadinessReport } from "./readiness.ts";

/** What gauges read when somebody collects them. */
export interface RuntimeSources {
  readonly version: string;
  readonly inFlight: () => number;
  readonly watched: () => number;
  readonly grpcHeld: Readonly<Record<(typeof heldKinds)[number], number>>;
  readonly providerCalls: () => { readonly inFlight: number; readonly waiting: number };
  readonly breaker: () => "closed" | "open" | "half_open" | "isolated";
  /** The pause before an unknown outcome is looked up, in force now. */
  readonly settlingMs: () => number;
  readonly budget: () => readonly BudgetUse[];
  /** When the certificates in use run out; undefined without TLS. */
  readonly certificates: (() => { readonly server: Date; readonly clientCa: Date }) | undefined;
  readonly readiness: { report(): ReadinessReport<CheckName> };
}

const heldKinds = metricDefinitions.grpcHeld.labels.kind;
const nanoseconds = 1e-9;
const microseconds = 1e-6;

/** Lets the gauges read their sources; the returned function stops what measures the event loop. */
export function observeRuntime(instruments: Instruments, sources: RuntimeSources): () => void {
  instruments.inFlight.addCallback((gauge) => gauge.observe(sources.inFlight()));
  instruments.watched.addCallback((gauge) => gauge.observe(sources.watched()));
  instruments.grpcHeld.addCallback((gauge) => {
    for (const kind of heldKinds) gauge.observe(sources.grpcHeld[kind], { kind });
  });
  instruments.providerCallsInFlight.addCallback((gauge) => {
    const { inFlight, waiting } = sources.providerCalls();
    gauge.observe(inFlight, { state: "in_flight" });
    gauge.observe(waiting, { state: "waiting" });
  });
  instruments.breaker.addCallback((gauge) => {
    const current = sources.breaker();
    for (const state of metricDefinitions.breaker.labels.state) {
      gauge.observe(state === current ? 1 : 0, { state });
    }
  });
  instruments.settlingPause.addCallback((gauge) => gauge.observe(sources.settlingMs() / 1000));
  instruments.budgetUsed.addCallback((gauge) => {
    for (const { scope, unit, share } of sources.budget()) gauge.observe(share, { scope, unit });
  });
  instruments.ready.addCallback((gauge) => gauge.observe(sources.readiness.report().ready ? 1 : 0));
  instruments.check.addCallback((gauge) => {
    for (const { name, state: current } of sources.readiness.report().checks) {
      for (const state of checkStates) gauge.observe(state === current ? 1 : 0, { check: name, state });
    }
  });
  instruments.certificateLife.addCallback((gauge) => {
    if (sources.certificates === undefined) return;
    const { server, clientCa } = sources.certificates();
    gauge.observe((server.getTime() - Date.now()) / 1000, { certificate: "server" });
    gauge.observe((clientCa.getTime() - Date.now()) / 1000, { certificate: "client_ca" });
  });
  const build = { version: sources.version, node: process.version };
  instruments.build.addCallback((gauge) => gauge.observe(1, build));
  return observeProcess(instruments);
}

function observeProcess(instruments: Instruments): () => void {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  let busy = performance.eventLoopUtilization();
  instruments.eventLoopDelay.addCallback((gauge) => {
    gauge.observe(delay.percentile(99) * nanoseconds);
  });
  instruments.eventLoopDelayMax.addCallback((gauge) => {
    gauge.observe(delay.max * nanoseconds);
    delay.reset();
  });
  instruments.eventLoopUtilization.addCallback((gauge) => {
    const now = performance.eventLoopUtilization();
    gauge.observe(performance.eventLoopUtilization(now, busy).utilization);
    busy = now;
  });
  instruments.memory.addCallback((gauge) => gauge.observe(process.memoryUsage.rss()));
  instruments.cpu.addCallback((counter) => {
    const { user, system } = process.cpuUsage();
    counter.observe(user * microseconds, { "cpu.mode": "user" });
    counter.observe(system * microseconds, { "cpu.mode": "system" });
  });
  return () => delay.disable();
}
