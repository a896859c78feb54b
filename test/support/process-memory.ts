import { readFileSync } from "node:fs";

/** Resident bytes of a process, the largest ever and now (Linux, /proc/<pid>/status). */
export function memoryOf(pid: number): { readonly peak: number; readonly now: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN);
  return { peak: kib("VmHWM") * 1024, now: kib("VmRSS") * 1024 };
}
