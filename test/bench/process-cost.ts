import { readdirSync, readFileSync } from "node:fs";

/** What Linux accounts in; 100 a second on every platform that Node runs on. */
const tickMs = 10;

interface Stat {
  readonly parent: number;
  readonly ownMs: number;
  readonly reapedMs: number;
}

function statOf(pid: number | string): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The name, in parentheses, may hold anything.
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const at = (index: number) => fields[index] ?? 0;
  return { parent: at(1), ownMs: (at(11) + at(12)) * tickMs, reapedMs: (at(13) + at(14)) * tickMs };
}

/** CPU time in milliseconds that a process has used so far, without its children; NaN where there is no /proc. */
export function cpuMs(pid: number): number {
  return statOf(pid)?.ownMs ?? Number.NaN;
}

/** The same for a postmaster and all its backends, those that have ended included. */
export function cpuOfTreeMs(pid: number): number {
  const root = statOf(pid);
  if (root === undefined) return Number.NaN;
  const children = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return children.reduce((sum, child) => {
    const stat = statOf(child);
    return stat?.parent === pid ? sum + stat.ownMs : sum;
  }, root.ownMs + root.reapedMs);
}

/** Resident memory in MB now, and at most so far. */
export function memoryOf(pid: number): { rssMb: number; peakMb: number } {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return { rssMb: read("VmRSS"), peakMb: read("VmHWM") };
  } catch {
    return { rssMb: Number.NaN, peakMb: Number.NaN };
  }
}

export interface CoreTimes {
  readonly busy: number;
  readonly all: number;
}

/** Ticks of every core since the machine started. */
export function coreTimes(): CoreTimes[] {
  try {
    const lines = readFileSync("/proc/stat", "utf8").match(/^cpu\d+ .*$/gm) ?? [];
    return lines.map((line) => {
      const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line
        .split(" ")
        .slice(1)
        .map(Number);
      const busy = user + nice + system + irq + softirq + steal;
      return { busy, all: busy + idle + iowait };
    });
  } catch {
    return [];
  }
}

/** Share of the time, 0 to 1, that each core was busy between two readings. */
export function busyCores(before: readonly CoreTimes[], after: readonly CoreTimes[]): number[] {
  return after.map(({ busy, all }, core) => {
    const from = before[core] ?? { busy: 0, all: 0 };
    return all === from.all ? 0 : (busy - from.busy) / (all - from.all);
  });
}
