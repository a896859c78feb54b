import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Instruction {
  /** In capitals, e.g. "RUN". */
  readonly keyword: string;
  /** `--name=value` before the arguments. */
  readonly flags: Readonly<Record<string, string>>;
  /** The rest of the line, as it is written; continuation lines are joined. */
  readonly rest: string;
}

/** The instructions of a Dockerfile, without its comments. Knows no heredocs and no ARG. */
export function parseDockerfile(text: string): Instruction[] {
  return text
    .replaceAll(/^\s*#.*\n/gm, "")
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [, keyword = "", flags = "", rest = ""] = /^(\w+)((?:\s+--\S+)*)\s+(.*)$/.exec(line) ?? [];
      const named = [...flags.matchAll(/--([\w-]+)=(\S+)/g)].map(([, name = "", value = ""]) => [
        name,
        value,
      ]);
      return { keyword: keyword.toUpperCase(), flags: Object.fromEntries(named), rest };
    });
}

/** A JSON list, or words separated by blanks. */
export function words(rest: string): string[] {
  return rest.startsWith("[") ? (JSON.parse(rest) as string[]) : rest.split(/\s+/);
}

/** The value of ENV and its like: `A=b C=d`. */
export function assignments(rest: string): Record<string, string> {
  return Object.fromEntries(words(rest).map((word) => word.split(/=(.*)/s).slice(0, 2)));
}

/**
 * The top of what a .dockerignore that begins with `*` lets in, by its lines `!path`.
 * @throws Error where it is of another kind
 */
export function contextOf(folder: string, ignoreFile: string): string[] {
  const lines = readFileSync(ignoreFile, "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const [all, ...kept] = lines;
  if (all !== "*" || kept.some((line) => !/^![\w./-]+$/.test(line))) {
    throw new Error(`${ignoreFile} must keep everything out but the paths it names`);
  }
  return kept.map((line) => line.slice(1)).filter((path) => globSync(path, { cwd: join(folder) }).length > 0);
}
