import { availableParallelism } from "node:os";
import { styleText } from "node:util";
import { architectureFaults } from "./checks/architecture.ts";
import { generatedCodeFaults, migrationFaults } from "./checks/generated.ts";
import { lockfileFaults } from "./checks/lockfile.ts";
import { toolsOf } from "./checks/run.ts";

// `npm run check`: all that is wrong with the sources and needs no test to be seen. It needs no network.

const root = new URL("..", import.meta.url).pathname;
const run = toolsOf(root);
const tool = async (name: string, options: readonly string[]) => {
  const { succeeded, output } = await run(name, options);
  return succeeded ? [] : [output];
};
const colour = process.stdout.isTTY ? "force" : "off";

type Step = () => string[] | Promise<string[]>;

// The longest first, so that none of them ends alone.
const steps: Readonly<Record<string, Step>> = {
  "types (tsc)": () => tool("tsc", ["--noEmit", "--pretty", String(colour === "force")]),
  "format and lint (biome)": () => tool("biome", ["check", "--error-on-warnings", `--colors=${colour}`]),
  "generated code (buf generate)": () => generatedCodeFaults(root, run),
  "migrations (drizzle-kit generate)": () => migrationFaults(root, run),
  "contract format (buf format)": () => tool("buf", ["format", "--diff", "--exit-code"]),
  "contract lint (buf lint)": () => tool("buf", ["lint"]),
  "contract compatibility (buf breaking)": () =>
    tool("buf", ["breaking", "--against", "proto/filed-contract.binpb"]),
  lockfile: () => lockfileFaults(root),
  "architecture (layers, cycles, names)": () => architectureFaults(root),
};

async function faultsOf(step: Step): Promise<string> {
  try {
    return (await step()).join("\n");
  } catch (error) {
    return String(error);
  }
}

const begun = performance.now();
const waiting = Object.entries(steps);
const failed = new Map<string, string>();

async function work(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [name, step] = next;
    const from = performance.now();
    const faults = await faultsOf(step);
    if (faults !== "") failed.set(name, faults);
    const mark = faults === "" ? styleText("green", "✓") : styleText("red", "✗");
    console.log(`${mark} ${name} ${styleText("dim", seconds(from))}`);
  }
}

function seconds(from: number): string {
  return `${((performance.now() - from) / 1000).toFixed(1)} s`;
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
for (const [name, faults] of failed) console.log(`\n${styleText(["bold", "red"], `✗ ${name}`)}\n${faults}`);
const names = [...failed.keys()].join(", ");
console.log(
  failed.size === 0
    ? `\nAll ${Object.keys(steps).length} checks passed in ${seconds(begun)}.`
    : `\n${failed.size} of ${Object.keys(steps).length} checks failed in ${seconds(begun)}: ${names}`,
);
process.exitCode = failed.size === 0 ? 0 : 1;
