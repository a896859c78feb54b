// The long form of the chaos test: npm run chaos -- [--kills 40] [--callers 24] [--seed <n>] [--no-slipping]
import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { temporaryDirectory } from "../support/live-installation.ts";
import { runChaos } from "./chaos.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "40" },
    callers: { type: "string", default: "24" },
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    /** Leaves out the calls that Twilio accepts after the settling pause, so that no duplicate is excused. */
    "no-slipping": { type: "boolean", default: false },
  },
});

function whole(name: "kills" | "callers" | "seed"): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`);
  return value;
}

const options = { kills: whole("kills"), callers: whole("callers"), seed: whole("seed") };
const startedAt = performance.now();
const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(6)} s`;
const dataDir = temporaryDirectory();
const server = await startEmbeddedPostgres({ dataDir });
try {
  console.log(`${elapsed()}  ${JSON.stringify(options)}`);
  const { counts, violations } = await runChaos({
    ...options,
    databaseUrl: server.url,
    faults: { lookUps: true, slipping: !values["no-slipping"] },
    settleWithinMs: 60_000,
    progress: (line) => console.log(`${elapsed()}  ${line}`),
  });
  console.log("");
  for (const [what, count] of Object.entries(counts)) console.log(`${String(count).padStart(10)}  ${what}`);
  for (const violation of violations) console.error(`VIOLATION  ${violation}`);
  console.log(violations.length === 0 ? "\nEvery promise held." : `\n${violations.length} promises broken.`);
  process.exitCode = violations.length === 0 ? 0 : 1;
} finally {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
