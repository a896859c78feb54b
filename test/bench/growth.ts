import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fillClosed } from "./fill.ts";
import { Installation, type Measured } from "./installation.ts";
import { table } from "./report.ts";
import { bundleService } from "./service.ts";

// npm run bench:growth -- [--sizes 0,1000000,5000000] [--seconds 10] [--results FOLDER]
// The same calls with so many closed signatures in the tables, in a scratch database. Five million take 15 GB.

const { values: flags } = parseArgs({
  options: {
    sizes: { type: "string", default: "0,1000000,5000000" },
    seconds: { type: "string", default: "10" },
    results: { type: "string", default: "bench-results" },
  },
});
const sizes = flags.sizes.split(",").map(Number);
const seconds = Number(flags.seconds);
const methods = ["StartSignature", "CompleteSignature", "GetSignature"] as const;
const mostGrowth = 1.2;
const rounds = 3;
const progress = (line: string) =>
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${line}`);

await using installation = await Installation.create();
const { sql } = installation;
await using service = await installation.startService(bundleService(join(installation.directory, "dist")));
await installation.connect("http2", [service]);
await installation.prepareCodes(1000);
await installation.measure({ method: "CompleteSignature", callers: 16, seconds: 5 });
const [sample] = await sql<{ id: string }[]>`
  select id from signature where status = 'completed' order by closed_at limit 1`;
if (sample === undefined) throw new Error("no signature was completed");

const rows: string[][] = [];
const results: { size: number; method: string; measured: Measured }[] = [];
let filled = 0;
for (const size of sizes) {
  await fillClosed(sql, {
    sample: sample.id,
    from: filled,
    count: size,
    progress: (done) => progress(`${done} of ${size} closed signatures`),
  });
  filled = size;
  for (const method of methods) {
    const runs: Measured[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      if (method === "CompleteSignature") await installation.prepareCodes(seconds * 1000);
      const measured = await installation.measure({ method, callers: 16, seconds });
      // The first one warms up what the fill drove out of memory.
      if (round > 0) runs.push(measured);
    }
    const measured = runs.sort((left, right) => left.p50 - right.p50)[Math.floor(rounds / 2)] ?? runs[0]!;
    results.push({ size, method, measured });
    const first = results.find((result) => result.method === method)?.measured ?? measured;
    const growth = (measured.serviceUs + measured.postgresUs) / (first.serviceUs + first.postgresUs);
    if (growth > mostGrowth) process.exitCode = 1;
    rows.push([
      `${method}, ${size} closed`,
      ...[measured.perSecond, measured.serviceUs, measured.postgresUs].map((value) => value.toFixed(0)),
      ...[measured.p50, measured.p99].map((value) => value.toFixed(1)),
      growth.toFixed(2),
    ]);
    progress(rows.at(-1)?.join("  ") ?? "");
  }
}
const head = [
  "16 callers",
  "calls/s",
  "service µs",
  "PostgreSQL µs",
  "p50 ms",
  "p99 ms",
  "CPU against the first",
];
console.log(table(head, rows).join("\n"));
mkdirSync(flags.results, { recursive: true });
writeFileSync(join(flags.results, "growth.json"), `${JSON.stringify(results, null, 2)}\n`);
