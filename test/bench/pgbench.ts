import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Statement } from "./wire-tap.ts";
import { pinned } from "./worker.ts";

export const hasPgbench = spawnSync("pgbench", ["--version"]).status === 0;

/** Transactions a second of the statements by pgbench, prepared; its process runs where the service would. */
export async function pgbench(options: {
  readonly directory: string;
  readonly databaseUrl: string;
  readonly core: number | undefined;
  readonly statements: readonly Statement[];
  /** Values of the sample that every transaction replaces by its own. */
  readonly unique: readonly string[];
  readonly callers: number;
  readonly seconds: number;
}): Promise<{ perSecond: number; latencyMs: number }> {
  const file = join(options.directory, "floor.sql");
  writeFileSync(file, script(options.statements, options.unique));
  const [command, args] = pinned(options.core, "pgbench", [
    ...["--no-vacuum", "--protocol=prepared", `--client=${options.callers}`, "--jobs=1"],
    ...[`--time=${Math.max(1, Math.round(options.seconds))}`, `--file=${file}`, "--define=n=0"],
    options.databaseUrl,
  ]);
  const run = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [run.stdout, run.stderr]) stream.on("data", (chunk) => (output += chunk));
  await once(run, "close");
  const perSecond = Number(/tps = ([\d.]+)/.exec(output)?.[1]);
  const latencyMs = Number(/latency average = ([\d.]+)/.exec(output)?.[1]);
  if (Number.isNaN(perSecond) || / failed|aborted/.test(output.replace(/failed transactions: 0 .*/, "")))
    throw new Error(`pgbench: ${output}`);
  return { perSecond, latencyMs };
}

/** Ids that grow with time, as the service's do: new rows meet in the same pages of the indexes. */
function script(statements: readonly Statement[], unique: readonly string[]): string {
  const run = Date.now().toString(16).padStart(12, "0");
  const own = (index: number) =>
    `('${run}' || lpad(to_hex(:n::bigint), 11, '0') || '${index}' || lpad(to_hex(:client_id::bigint), 8, '0'))`;
  const expression = (value: string) => {
    const index = unique.indexOf(value);
    if (index < 0) return literal(value);
    return value.startsWith("SM") ? `('SM' || ${own(index)})` : `${own(index)}::uuid::text`;
  };
  const queries = statements.map(({ text, parameters }) =>
    text
      .replaceAll(/--.*$/gm, "")
      .replaceAll(/\s+/g, " ")
      .replaceAll(/\$(\d+)/g, (_, number: string) => {
        const value = parameters[Number(number) - 1] ?? null;
        return value === null ? "null" : expression(value);
      })
      .concat(";"),
  );
  return ["\\set n :n + 1", ...queries].join("\n");
}

/** Without a colon, which pgbench would take for a variable. */
function literal(value: string): string {
  return `E'${value.replaceAll("\\", "\\\\").replaceAll("'", "''").replaceAll(":", "\\x3a")}'`;
}
