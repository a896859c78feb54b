import type { Sql } from "postgres";
import { DatabaseFault } from "./fault.ts";
import { migrate, migrateDown, migrationStatus } from "./migrate.ts";
import { MigrationError } from "./migration-files.ts";
import { type Location, withMigrationSession } from "./open.ts";
import { parsePolicy, policyUsage, runPolicy } from "./policy-command.ts";
import type { Pooling } from "./pooling.ts";

const usage = `usage: npm run migrate -- up | down [steps] | status | policy [options]
  up      applies what is pending
  down    takes the last migration back, or the last <steps>
  status  lists what is applied, pending and unknown to this release
${policyUsage}`;

type CommandOptions = Location & { folder: string; print: (line: string) => void };
type Command = (sql: Sql, options: CommandOptions, pooling: Pooling) => Promise<void>;

const list = (tags: readonly string[]): string => (tags.length > 0 ? tags.join(", ") : "nothing");

async function up(sql: Sql, { folder, print }: CommandOptions, pooling: Pooling): Promise<void> {
  const { applied, ahead } = await migrate(sql, { folder, pooling });
  print(`applied: ${list(applied)}`);
  if (ahead.length > 0) print(`the database is ahead of this code by ${list(ahead)}, which only expand it`);
}

async function status(sql: Sql, { folder, print }: CommandOptions): Promise<void> {
  const { applied, pending, ahead } = await migrationStatus(sql, { folder });
  for (const { tag, appliedAt } of applied)
    print(`applied  ${tag}  ${appliedAt?.toISOString() ?? ""}`.trimEnd());
  for (const tag of pending) print(`pending  ${tag}`);
  for (const tag of ahead) print(`ahead    ${tag}`);
  if (applied.length + pending.length + ahead.length === 0) print("no migrations");
}

function parse(args: readonly string[]): Command | undefined {
  const [command, count, ...rest] = args;
  if (command === "up" && count === undefined) return up;
  if (command === "status" && count === undefined) return status;
  if (command === "policy") {
    const change = parsePolicy(args.slice(1));
    return change && ((sql, { print }) => runPolicy(sql, change, print));
  }
  if (command !== "down" || rest.length > 0 || !/^[1-9]\d{0,3}$/.test(count ?? "1")) return undefined;
  return async (sql, { folder, print }, pooling) => {
    const { reverted } = await migrateDown(sql, { folder, steps: Number(count ?? 1), pooling });
    print(`taken back: ${list(reverted)}`);
  };
}

/** Runs `npm run migrate -- …` and returns the exit code: 0 done, 1 refused or failed, 2 not understood. */
export async function runMigrateCommand(
  args: readonly string[],
  options: CommandOptions,
): Promise<0 | 1 | 2> {
  const command = parse(args);
  if (!command) {
    options.print(usage);
    return 2;
  }
  try {
    await withMigrationSession(options, command !== status, (sql, pooling) => command(sql, options, pooling));
    return 0;
  } catch (error) {
    if (!(error instanceof MigrationError || error instanceof DatabaseFault)) throw error;
    options.print(error.message);
    return 1;
  }
}
