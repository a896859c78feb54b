import { readFileSync, statSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { FileFault, unreadableFile } from "./file-fault.ts";

export interface ReloadedFilesOptions<Name extends string, T> {
  /** Paths by the settings that name them. */
  readonly files: Readonly<Record<Name, string>>;
  /** Makes a value of the files' texts. @throws FileFault where they are not fit for use */
  parse(texts: Record<Name, string>): T;
  /** A new value is in force. */
  onChange(value: T): void;
  /** The files changed but cannot be used; the value before stays. Once for each such change. */
  onFault(fault: FileFault): void;
  /** Milliseconds between looks at the files; default 2 s. */
  readonly intervalMs?: number;
}

/** A few small files, half a millisecond of work; and how long a caller that was taken off the list goes on. */
const defaultIntervalMs = 2_000;

/**
 * Reads files now and again whenever their content changes. Content is compared, not times or inodes, so that
 * mounted Kubernetes secrets (symlinks swapped in one go) and files copied one after another both work:
 * a certificate without its key yet is a fault, and the old pair stays.
 * @throws FileFault where the files cannot be used at the start
 * @returns the first value, and how to stop looking
 */
export function reloadFiles<Name extends string, T>(
  options: ReloadedFilesOptions<Name, T>,
): { first: T; stop(): void } {
  const names = Object.keys(options.files) as Name[];
  const collect = (texts: readonly string[]): Record<Name, string> =>
    Object.fromEntries(names.map((name, index) => [name, texts[index]])) as Record<Name, string>;
  const firstTexts = names.map((name) => {
    try {
      checkSize(statSync(options.files[name]).size);
      return readFileSync(options.files[name], "utf8");
    } catch (error) {
      throw unreadableFile(name, options.files[name], error);
    }
  });
  const first = options.parse(collect(firstTexts));

  const read = (name: Name): Promise<string> =>
    readSmall(options.files[name]).catch((error: unknown) => {
      throw unreadableFile(name, options.files[name], error);
    });
  let seen = JSON.stringify(firstTexts);
  let stopped = false;
  let timer: NodeJS.Timeout;
  const look = async (): Promise<void> => {
    const texts = await Promise.all(names.map(read)).catch((fault: FileFault) => fault);
    if (stopped) return;
    const state = texts instanceof FileFault ? texts.message : JSON.stringify(texts);
    if (state !== seen) {
      seen = state;
      try {
        if (texts instanceof FileFault) throw texts;
        options.onChange(options.parse(collect(texts)));
      } catch (error) {
        if (!(error instanceof FileFault)) throw error;
        options.onFault(error);
      }
    }
    timer = setTimeout(look, options.intervalMs ?? defaultIntervalMs).unref();
  };
  timer = setTimeout(look, options.intervalMs ?? defaultIntervalMs).unref();
  return {
    first,
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Thousands of callers, and whole chains of certificates, have less. */
const mostBytes = 1 << 20;

async function readSmall(path: string): Promise<string> {
  checkSize((await stat(path)).size);
  return await readFile(path, "utf8");
}

function checkSize(bytes: number): void {
  if (bytes <= mostBytes) return;
  throw Object.assign(new Error("the file is too large"), { code: "EFBIG", syscall: "read" });
}
