import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";

/**
 * Takes variables out of this process's environment, and their values out of /proc/<pid>/environ: the kernel shows there
 * what it put on the stack at exec, which any process of the same user reads, and any hole that hands out files.
 * Only Linux has it. Parents keep theirs: start the service with node or start.sh, not with npm, where that counts.
 * @param env process.env
 * @returns the names whose values the kernel still shows, as it does where /proc/self/mem cannot be written to
 */
export function scrubEnvironment(env: NodeJS.ProcessEnv, names: readonly string[]): string[] {
  for (const name of names) delete env[name];
  return process.platform === "linux" ? scrubbed(names) : [];
}

function scrubbed(names: readonly string[]): string[] {
  const found = placesOf(names);
  if (found.length === 0) return [];
  try {
    const start = environmentStart();
    const memory = openSync("/proc/self/mem", "r+");
    try {
      for (const { name, text, at } of found) {
        const there = Buffer.alloc(text.length);
        readSync(memory, there, 0, there.length, start + at);
        // Not written unless it is what /proc/self/environ shows.
        if (!there.equals(text)) return found.map((place) => place.name);
        const kept = Buffer.byteLength(name) + 1;
        writeSync(memory, Buffer.alloc(text.length - kept), 0, text.length - kept, start + at + kept);
      }
    } finally {
      closeSync(memory);
    }
  } catch {
    // gVisor, a locked-down kernel: nothing can be done from here.
  }
  return placesOf(names).map((place) => place.name);
}

interface Place {
  readonly name: string;
  /** `name=value`. */
  readonly text: Buffer;
  /** Bytes from the beginning of the environment. */
  readonly at: number;
}

/** Where the kernel still shows a value of one of these names. */
function placesOf(names: readonly string[]): Place[] {
  const shown = readFileSync("/proc/self/environ");
  const places: Place[] = [];
  for (let at = 0; at < shown.length; ) {
    const end = shown.indexOf(0, at);
    const text = shown.subarray(at, end === -1 ? shown.length : end);
    const name = names.find((one) => text.indexOf(`${one}=`) === 0);
    if (name !== undefined && text.length > Buffer.byteLength(name) + 1) places.push({ name, text, at });
    at += text.length + 1;
  }
  return places;
}

/** proc(5), stat: field 50 is env_start. The name in field 2 may hold blanks and brackets. */
function environmentStart(): number {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[50 - 3]);
}
