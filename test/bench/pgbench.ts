import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { planning } from "../../src/postgres/session.ts";
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
  const settings = Object.entries(planning).map(([name, value]) => `-c ${name}=${value}`);
  const env = { ...process.env, PGOPTIONS: settings.join(" ") };
  const run = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
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
  const any = new RegExp(`(${unique.join("|")})`);
  // Each of them stands alone or within a document.
  const expression = (value: string) => {
    const parts = value === "" ? [""] : value.split(any).filter((part) => part !== "");
    const ownOf = (part: string, index: number) =>
      part.startsWith("SM") ? `('SM' || ${own(index)})` : `${own(index)}::uuid::text`;
    const texts = parts.map((part) =>
      unique.includes(part) ? ownOf(part, unique.indexOf(part)) : literal(part),
    );
    return `(${texts.join(" || ")})`;
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
