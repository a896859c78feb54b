// The long form of the rolling deploy: npm run rolling -- [--rounds 10] [--callers 16] [--calls 200]
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { temporaryDirectory } from "../support/live-installation.ts";
import { rollOver } from "./rolling-deploy.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    callers: { type: "string", default: "16" },
    calls: { type: "string", default: "200" },
  },
});

function whole(name: "rounds" | "callers" | "calls"): number {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`--${name} must be a whole number from 1`);
  return value;
}

const options = { rounds: whole("rounds"), callers: whole("callers"), callsBetween: whole("calls") };
const dataDir = temporaryDirectory();
const server = await startEmbeddedPostgres({ dataDir });
try {
  const { counts, tries, violations } = await rollOver({
    ...options,
    databaseUrl: server.url,
    progress: (line) => console.log(line),
  });
  console.log("");
  for (const [what, count] of Object.entries(counts)) console.log(`${String(count).padStart(10)}  ${what}`);
  for (const [end, count] of Object.entries(tries))
    console.log(`${String(count).padStart(10)}  ended ${end}`);
  for (const violation of violations) console.error(`VIOLATION  ${violation}`);
  process.exitCode = violations.length === 0 ? 0 : 1;
} finally {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
