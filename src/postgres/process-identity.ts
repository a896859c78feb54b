import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const hasProc = (): boolean => existsSync("/proc/self/stat");

function ps(pid: number, ...columns: string[]): string {
  try {
    const format = columns.flatMap((column) => ["-o", `${column}=`]);
    return execFileSync("ps", [...format, "-p", String(pid)], {
      encoding: "utf8",
      env: { LC_ALL: "C", TZ: "UTC", PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "";
  }
}

/**
 * What tells a process from a later one that was given the same pid: boot and start time.
 * Undefined once it is gone; a zombie counts as gone, since nobody may ever reap it.
 */
export function processIdentity(pid: number): string | undefined {
  if (!hasProc()) {
    const [state, ...started] = ps(pid, "stat", "lstart").split(/\s+/);
    return !state || state.startsWith("Z") ? undefined : started.join(" ");
  }
  try {
    // proc_pid_stat(5): the name in parentheses may hold anything; after it come state (3) … starttime (22).
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Whether a live process with this pid was started with this argument. */
export function runsWithArgument(pid: number, argument: string): boolean {
  if (processIdentity(pid) === undefined) return false;
  if (!hasProc()) return ps(pid, "command").includes(argument);
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(argument);
  } catch {
    return false;
  }
}
