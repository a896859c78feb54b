import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import postgres, { type Sql } from "postgres";
import { fillClosed } from "./fill.ts";
import { Installation, type Measured } from "./installation.ts";
import { table } from "./report.ts";
import { bundleService, type Service } from "./service.ts";

// npm run bench:growth -- [--sizes 0,1000000,5000000] [--seconds 6] [--rounds 5] [--results FOLDER]
// The same calls with so many closed signatures in the tables, each size in a scratch database of its own. They are
// called in turns, and each is held against the first in the same round: the machine's speed varies by a quarter
// between minutes. Five million take 15 GB, and each further size its own.

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "0,1000000,5000000" },
    seconds: { type: "string", default: "6" },
    rounds: { type: "string", default: "5" },
    results: { type: "string", default: "bench-results" },
  },
});
const sizes = flags.sizes.split(",").map(Number);
const seconds = Number(flags.seconds);
const rounds = Number(flags.rounds);
const methods = ["StartSignature", "CompleteSignature", "GetSignature"] as const;
const callers = 16;
const mostGrowth = 1.2;
/** What the other databases drove out of PostgreSQL's memory comes back. */
const backSeconds = 2;
const progress = (line: string) =>
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${line}`);

interface Side {
  readonly size: number;
  readonly service: Service;
  readonly sql: Sql;
}

type Round = Readonly<Record<(typeof methods)[number], Measured>>;

await using installation = await Installation.create();
const main = bundleService(join(installation.directory, "dist"));

async function filled(size: number): Promise<Side> {
  const url = new URL(installation.databaseUrl);
  url.pathname = `/closed_${size}`;
  await installation.sql.unsafe(`create database closed_${size}`);
  const sql = postgres(url.href, { max: 1, onnotice: () => {} });
  const service = await installation.startService(main, { env: { DATABASE_URL: url.href } });
  await callOnly(service);
  await installation.prepareCodes(1000);
  await installation.measure({ method: "CompleteSignature", callers, seconds: 5 });
  const [sample] = await sql<{ id: string }[]>`
    select id from signature where status = 'completed' order by closed_at limit 1`;
  if (sample === undefined) throw new Error("no signature was completed");
  await fillClosed(sql, {
    sample: sample.id,
    from: 0,
    count: size,
    progress: (done) => progress(`${done} of ${size} closed signatures`),
  });
  return { size, service, sql };
}

async function callOnly(service: Service): Promise<void> {
  await installation.connect("http2", [service]);
  await installation.client.ask("forget");
}

async function oneRound({ service }: Side): Promise<Round> {
  await callOnly(service);
  await installation.measure({ method: "StartSignature", callers, seconds: backSeconds });
  const StartSignature = await installation.measure({ method: "StartSignature", callers, seconds });
  await installation.prepareCodes(seconds * 1000);
  const CompleteSignature = await installation.measure({ method: "CompleteSignature", callers, seconds });
  const GetSignature = await installation.measure({ method: "GetSignature", callers, seconds });
  return { StartSignature, CompleteSignature, GetSignature };
}

const median = (values: readonly number[]): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
const cost = ({ serviceUs, postgresUs }: Measured): number => serviceUs + postgresUs;

const sides: Side[] = [];
for (const size of sizes) sides.push(await filled(size));
const found = sides.map(() => [] as Round[]);
for (let round = 0; round <= rounds; round += 1) {
  const order = [...sides.keys()];
  for (const side of round % 2 === 0 ? order : order.toReversed()) {
    const measured = await oneRound(sides[side]!);
    // The first round warms up.
    if (round > 0) found[side]!.push(measured);
  }
  progress(`round ${round} of ${rounds}`);
}

const results = methods.flatMap((method) =>
  sides.map(({ size }, side) => {
    const runs = found[side]!.map((round) => round[method]);
    const growths = runs.map((run, round) => cost(run) / cost(found[0]![round]![method]));
    return { size, method, runs, growths, growth: median(growths) };
  }),
);
const rows = results.map(({ size, method, runs, growths, growth }) => {
  const of = (what: (run: Measured) => number, digits = 0) => median(runs.map(what)).toFixed(digits);
  return [
    `${method}, ${size} closed`,
    of((run) => run.perSecond),
    of((run) => run.serviceUs),
    of((run) => run.postgresUs),
    of((run) => run.p50, 1),
    of((run) => run.p99, 1),
    growth.toFixed(2),
    `${Math.min(...growths).toFixed(2)} to ${Math.max(...growths).toFixed(2)}`,
  ];
});
const head = [
  `${callers} callers`,
  "calls/s",
  "service µs",
  "PostgreSQL µs",
  "p50 ms",
  "p99 ms",
  "CPU against the first",
  "in each round",
];
console.log(table(head, rows).join("\n"));
mkdirSync(flags.results, { recursive: true });
writeFileSync(join(flags.results, "growth.json"), `${JSON.stringify(results, null, 2)}\n`);
for (const { sql } of sides) await sql.end({ timeout: 5 });
if (results.some(({ growth }) => growth > mostGrowth)) process.exitCode = 1;
