// Alerts and dashboard against Debian's Prometheus (apt-get install prometheus): npm run alerts
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { LiveInstallation, temporaryDirectory } from "../support/live-installation.ts";
import { selectorsIn } from "../telemetry/alerts/promql.ts";
import { readQueries, readRules, ruleFiles } from "../telemetry/alerts/rules.ts";
import { acts, type Stage } from "./acts.ts";
import { Customers } from "./customers.ts";
import { PrometheusProcess } from "./prometheus-process.ts";
import { scaled } from "./scaled-time.ts";

const healthySeconds = 10;
const customerCount = 12;
/** About how fast this machine is, which is not what is tried here. */
const aboutSpeed = /^Latency|^DatabaseSlow$|^EventLoopBlocked$/;

// Breaker, lease and timeout short enough for a run of a minute, in the order that production has them.
const environment = {
  TWILIO_TIMEOUT_SECONDS: "4",
  TWILIO_SETTLE_MS: "200",
  TWILIO_BREAKER_FAILURE_RATE: "0.5",
  TWILIO_BREAKER_OPEN_SECONDS: "1",
  SIGNATURE_LEASE_SECONDS: "6.7",
  SIGNATURE_LIMIT_CALLER_PER_SECOND: "0",
};

const faults: string[] = [];
let troubleFrom = 0;
const startedAt = performance.now();
const say = (line: string) =>
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}`);
const expectThat = (holds: boolean, fault: string) => {
  if (!holds) faults.push(fault);
};

const dataDir = temporaryDirectory();
const directory = mkdtempSync(join(tmpdir(), "signature-router-prometheus-"));
let database = await startEmbeddedPostgres({ dataDir });
const { port } = database;
try {
  await run();
} finally {
  await database.stop();
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(directory, { recursive: true, force: true });
}
for (const fault of faults) console.error(`FAULT  ${fault}`);
console.log(faults.length === 0 ? "\nAll of it holds." : `\n${faults.length} faults.`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function run(): Promise<void> {
  await using installation = await LiveInstallation.create(database.url);
  const replicas = [
    await installation.startReplica(environment),
    await installation.startReplica(environment),
  ];
  const rules = new Map(ruleFiles().map((path) => [path, scaled(readFileSync(path, "utf8"))]));
  const targets = replicas.map(({ opsUrl }) => new URL(opsUrl).host);
  await using prometheus = await PrometheusProcess.start({ directory, targets, rules });
  say(`${replicas.length} replicas, ${customerCount} customers, ${prometheus.url}`);

  const clients = replicas.map(({ client }) => client);
  const { double } = installation;
  const customers = new Customers({ clients, double });
  const over = new AbortController();
  const load = Promise.all(Array.from({ length: customerCount }, () => customers.sign(over.signal)));
  // A fault of the load itself shows where it is awaited.
  load.catch(() => undefined);
  try {
    await prometheus.scraped(targets.length);
    await pause(healthySeconds * 1000);
    const early = (await alertNames(prometheus, "firing", healthySeconds - 2)).filter(
      (name) => !aboutSpeed.test(name),
    );
    troubleFrom = performance.now();
    say(`all is well: ${JSON.stringify(customers.counts)}; firing: ${early.join(", ") || "nothing"}`);
    expectThat(early.length === 0, `fired while all was well: ${early.join(", ")}`);
    const stage: Stage = {
      ...{ double, customers, replicas, clients, database },
      startDatabase: () => startEmbeddedPostgres({ dataDir, port }),
    };
    for (const act of acts) {
      await act.begin(stage);
      database = stage.database;
      await pause(act.seconds * 1000);
      say(`${act.name}: firing ${(await alertsNow(prometheus)).join(", ") || "nothing"}`);
    }
  } finally {
    over.abort();
    await load;
  }
  await judge(prometheus);
  say(JSON.stringify(customers.counts));
}

async function judge(prometheus: PrometheusProcess): Promise<void> {
  const loaded = await prometheus.rules();
  const written = readRules();
  expectThat(loaded.length === written.length, `${loaded.length} of ${written.length} rules are loaded`);
  for (const { name, health, lastError } of loaded)
    expectThat(health === "ok", `${name}: ${lastError ?? health}`);

  const queries = readQueries();
  const asked = [...written, ...queries].flatMap(({ expression }) => selectorsIn(filled(expression)));
  const selectors = new Set(asked.map(({ text }) => text));
  for (const selector of selectors) {
    const found = await prometheus.range(selector, wholeRun());
    expectThat(found.length > 0, `no series for ${selector}`);
  }
  const names = new Set(asked.map(({ name }) => name));
  say(`${selectors.size} selectors of ${names.size} names in rules and panels were looked for`);

  let samples = 0;
  for (const { panel, expression } of queries) {
    const found = await prometheus.range(scaled(filled(expression)), wholeRun());
    const values = found.flatMap((one) => one.values).filter(([, value]) => Number.isFinite(Number(value)));
    samples += values.length;
    expectThat(values.length > 0, `no data for ${panel}: ${expression}`);
  }
  say(`${queries.length} queries of the dashboard returned ${samples} values`);

  const troubled = (performance.now() - troubleFrom) / 1000;
  const fired = await alertNames(prometheus, "firing", troubled);
  const pending = await alertNames(prometheus, "pending", troubled);
  for (const { name, fire, wait = [] } of acts) {
    for (const alert of fire) expectThat(fired.includes(alert), `${alert} did not fire: ${name}`);
    for (const alert of wait)
      expectThat(fired.includes(alert) || pending.includes(alert), `${alert} was not even pending: ${name}`);
  }
  const last = await alertsNow(prometheus);
  expectThat(!last.includes("NoReplicaReady"), "NoReplicaReady fires though the database is back");
  say(
    `${fired.length} of ${written.filter(({ kind }) => kind === "alert").length} alerts fired: ${fired.join(", ")}`,
  );
  say(`pending only: ${pending.filter((name) => !fired.includes(name)).join(", ")}`);
  for (const warning of prometheus.warnings) faults.push(`prometheus: ${warning}`);
}

/** What Grafana puts in for its variables. */
function filled(expression: string): string {
  return expression.replaceAll("$__rate_interval", "5m").replaceAll(/\$(job|instance)\b/g, ".*");
}

function wholeRun(): number {
  return Math.ceil((performance.now() - startedAt) / 1000);
}

async function alertsNow(prometheus: PrometheusProcess): Promise<string[]> {
  return await alertNames(prometheus, "firing", 0);
}

async function alertNames(prometheus: PrometheusProcess, state: string, seconds: number): Promise<string[]> {
  const query = `count by (alertname) (ALERTS{alertstate="${state}"})`;
  const found = await prometheus.range(query, seconds);
  return found.map(({ metric }) => metric["alertname"] ?? "").sort();
}
