import type { Method } from "./client-process.ts";
import type { Floor } from "./floor.ts";
import type { Measured } from "./installation.ts";
import type { Machine } from "./machine.ts";

export interface Step {
  readonly method: Method;
  readonly callers: number;
  readonly measured: Measured;
}

export interface OpenStep {
  readonly method: Method;
  readonly perSecond: number;
  /** How long Twilio's double takes to answer; it is not in the reported latencies. */
  readonly twilioMs: number;
  readonly measured: Measured;
  /** All but Twilio's time, in milliseconds, as the service's log has it for each call. */
  readonly ownP99: number;
  readonly databaseConnections: number;
}

export interface Soak {
  readonly perSecond: number;
  readonly twilioMs: number;
  readonly seconds: number;
  readonly samples: readonly {
    rssMb: number;
    databaseConnections: number;
    inFlight: number;
    ownP99: number;
  }[];
}

export interface Results {
  readonly machine: Machine;
  readonly client: string;
  readonly receipts: boolean;
  readonly replicas: number;
  readonly startsMs: readonly number[];
  readonly idleRssMb: number;
  readonly loadedRssMb: number;
  readonly peakRssMb: number;
  readonly closed: readonly Step[];
  /** CPU in microseconds a recorded signature: what vacuums between the steps took, and would take by themselves. */
  readonly vacuumUs: number;
  readonly open: readonly OpenStep[];
  readonly floor: Floor;
  readonly soak: Soak | undefined;
}

/** Markdown: the ratios first. */
export function report(results: Results): string {
  const { machine, floor } = results;
  const at64 = results.closed.find(({ method, callers }) => method === "StartSignature" && callers === 64);
  const parts = floor.statements.ownUs + floor.post.ownUs + floor.echo.serviceUs;
  const starts = [...results.startsMs].sort((left, right) => left - right);
  return [
    `Machine: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}; Node ${machine.node}, PostgreSQL ${machine.postgres} (${Object.entries(
      machine.postgresSettings,
    )
      .map(([name, value]) => `${name} ${value}`)
      .join(", ")}); ${machine.at}, ${machine.commit}.`,
    `${machine.pinned ? "The service has core 0; PostgreSQL, Twilio's double and the callers share the other" : "No process is pinned to a core"}. ` +
      `Callers: ${results.client}, each call with a deadline. Status callbacks ${results.receipts ? "on" : "off"}; limits, rate, guard and breaker off. Replicas: ${results.replicas}.`,
    "",
    ...(at64 === undefined ? [] : ratios(at64.measured, parts, floor)),
    "",
    ...table(
      [
        "method",
        "callers",
        "calls/s",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "service µs",
        "PostgreSQL µs",
        "busy cores",
      ],
      results.closed.map(({ method, callers, measured }) => [
        method,
        String(callers),
        whole(measured.perSecond),
        ...[measured.p50, measured.p95, measured.p99].map(tenths),
        whole(measured.serviceUs),
        whole(measured.postgresUs),
        busy(measured),
      ]),
    ),
    "",
    `Vacuums between these took ${whole(results.vacuumUs)} µs of PostgreSQL's CPU a signature, which is not in the table.`,
    "",
    "Open loop, calls by chance, as the callers see them less the time that Twilio's double is told to take; the own p99 is " +
      "all but Twilio's time as the service's log has it for each call:",
    "",
    ...table(
      [
        "method",
        "calls/s",
        "Twilio ms",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "own p99 ms",
        "in flight",
        "connections",
        "busy cores",
      ],
      results.open.map(({ method, perSecond, twilioMs, measured, ownP99, databaseConnections }) => [
        method,
        String(perSecond),
        String(twilioMs),
        ...[measured.p50, measured.p95, measured.p99].map((ms) => tenths(ms - twilioMs)),
        tenths(ownP99),
        String(measured.inFlight),
        String(databaseConnections),
        busy(measured),
      ]),
    ),
    "",
    "The floor, 64 callers, in the same run:",
    "",
    ...table(
      ["part", "calls/s", "p99 ms", "CPU µs a call"],
      [
        ["the two statements of StartSignature, bare postgres.js loop", ...floorRow(floor.statements)],
        floor.pgbench === undefined
          ? ["the same by pgbench: not installed", "", "", ""]
          : ["the same by pgbench", whole(floor.pgbench.perSecond), "", ""],
        ["the statements of GetSignature, bare postgres.js loop", ...floorRow(floor.read)],
        ["the POST to Twilio, bare undici", ...floorRow(floor.post)],
        [
          "an empty call (Health.Check) on the same server",
          whole(floor.echo.perSecond),
          tenths(floor.echo.p99),
          whole(floor.echo.serviceUs),
        ],
      ],
    ),
    "",
    `Memory: ${whole(results.idleRssMb)} MB idle, ${whole(results.loadedRssMb)} MB after the load, ${whole(results.peakRssMb)} MB at most. ` +
      `Start on a warm database: ${whole(starts[Math.floor(starts.length / 2)] ?? Number.NaN)} ms (median of ${starts.length}).`,
    ...quiet(results),
    ...soak(results.soak),
    ...faults(results),
  ].join("\n");
}

function ratios(start: Measured, parts: number, floor: Floor): string[] {
  return [
    `StartSignature, 64 callers: ${whole(start.perSecond)}/s, ${whole(start.serviceUs)} µs of the service's CPU a call; ` +
      `**${(start.serviceUs / parts).toFixed(2)}** times the sum of its parts (${whole(parts)} µs: statements ${whole(floor.statements.ownUs)}, ` +
      `POST ${whole(floor.post.ownUs)}, empty call ${whole(floor.echo.serviceUs)}).`,
  ];
}

function soak(run: Soak | undefined): string[] {
  if (run === undefined) return [];
  const third = Math.max(1, Math.floor(run.samples.length / 3));
  const mean = (part: Soak["samples"], of: (sample: Soak["samples"][number]) => number) =>
    part.reduce((sum, sample) => sum + of(sample), 0) / part.length;
  const rows = [run.samples.slice(0, third), run.samples.slice(-third)].map((part, index) => [
    index === 0 ? "first third" : "last third",
    whole(mean(part, (sample) => sample.rssMb)),
    tenths(mean(part, (sample) => sample.databaseConnections)),
    whole(mean(part, (sample) => sample.inFlight)),
    tenths(mean(part, (sample) => sample.ownP99)),
  ]);
  return [
    "",
    `StartSignature at ${run.perSecond}/s for ${whole(run.seconds)} s, Twilio at ${run.twilioMs} ms:`,
    "",
    ...table(["", "RSS MB", "connections", "in flight", "own p99 ms"], rows),
  ];
}

/** Numbers from a busy machine mislead. */
function quiet({ closed, open }: Results): string[] {
  const most = Math.max(0, ...[...closed, ...open].map(({ measured }) => measured.foreign));
  if (most < 0.25) return [];
  return [
    "",
    `NOT A QUIET MACHINE: other processes, the kernel's own included, took up to ${most.toFixed(2)} cores.`,
  ];
}

function faults({ closed, open }: Results): string[] {
  const failed = [...closed, ...open].filter(({ measured }) => Object.keys(measured.errors).length > 0);
  return failed.map(
    ({ method, measured }) => `\nFAILED CALLS in ${method}: ${JSON.stringify(measured.errors)} (gRPC codes)`,
  );
}

/** Whether a call of any run failed. */
export function hasFailures(results: Results): boolean {
  return faults(results).length > 0;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join(" | ")} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(head), rule, ...rows.map(line)];
}

function floorRow(part: { perSecond: number; p99: number; ownUs: number }): string[] {
  return [whole(part.perSecond), tenths(part.p99), whole(part.ownUs)];
}

function busy({ cores }: Measured): string {
  return cores.map((share, core) => `${core}: ${Math.round(share * 100)} %`).join(", ");
}

const whole = (value: number) => value.toFixed(0);
const tenths = (value: number) => value.toFixed(1);
