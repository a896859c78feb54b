import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import type { Sql } from "postgres";
import { canPin } from "./worker.ts";

/** What the numbers were measured on. */
export interface Machine {
  readonly at: string;
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
  /** fsync, synchronous_commit and the like, as the server says itself. */
  readonly postgresSettings: Readonly<Record<string, string>>;
  readonly pinned: boolean;
}

export async function machine(sql: Sql): Promise<Machine> {
  const names = ["fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "shared_buffers"];
  const settings = await sql<{ name: string; setting: string; version: string }[]>`
    select name, current_setting(name) as setting, current_setting('server_version') as version
    from pg_settings where name = any (${names})`;
  return {
    at: new Date().toISOString(),
    commit: commit(),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    postgres: settings[0]?.version ?? "",
    postgresSettings: Object.fromEntries(settings.map(({ name, setting }) => [name, setting])),
    pinned: canPin,
  };
}

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  try {
    const changed = git("status", "--porcelain", "--", ":/src").trim() !== "";
    return `${git("rev-parse", "--short", "HEAD").trim()}${changed ? ", with changes" : ""}`;
  } catch {
    return "unknown";
  }
}
