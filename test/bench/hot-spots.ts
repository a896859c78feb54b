import { readFileSync } from "node:fs";
import { basename, join } from "node:path";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Share of the busy time, 0 to 1. */
export interface HotSpot {
  readonly name: string;
  readonly share: number;
}

/**
 * Where the time of a bundled process went, without what it waited for: by package or folder of ours, and by
 * function. The bundle names the file that each part came from in a comment above it.
 */
export function hotSpots(
  profileFile: string,
  bundleFolder: string,
): { parts: HotSpot[]; functions: HotSpot[] } {
  const profile = JSON.parse(readFileSync(profileFile, "utf8")) as CpuProfile;
  const selfUs = new Map<number, number>();
  profile.samples.forEach((id, index) => {
    selfUs.set(id, (selfUs.get(id) ?? 0) + (profile.timeDeltas[index] ?? 0));
  });
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  const files = new Map<string, string[]>();
  let busyUs = 0;
  for (const { id, callFrame } of profile.nodes) {
    const us = selfUs.get(id) ?? 0;
    const { functionName, url, lineNumber } = callFrame;
    if (us === 0 || functionName === "(idle)" || functionName === "(program)") continue;
    busyUs += us;
    const source = sourceOf(files, bundleFolder, url, lineNumber);
    const part = functionName === "(garbage collector)" ? "garbage collector" : partOf(source);
    parts.set(part, (parts.get(part) ?? 0) + us);
    const name = `${functionName || "(anonymous)"} ${source}`;
    functions.set(name, (functions.get(name) ?? 0) + us);
  }
  const ranked = (times: Map<string, number>) =>
    [...times]
      .map(([name, us]) => ({ name, share: us / busyUs }))
      .sort((left, right) => right.share - left.share);
  return { parts: ranked(parts), functions: ranked(functions) };
}

function sourceOf(files: Map<string, string[]>, folder: string, url: string, line: number): string {
  if (!url.startsWith("file:")) return url || "native";
  const name = basename(url);
  let origins = files.get(name);
  if (origins === undefined) {
    let origin = name;
    origins = readFileSync(join(folder, name), "utf8")
      .split("\n")
      .map((text) => {
        origin = /^\/\/ ((?:src|node_modules)\/\S+)$/.exec(text)?.[1] ?? origin;
        return origin;
      });
    files.set(name, origins);
  }
  return origins[line] ?? name;
}

function partOf(source: string): string {
  if (source.startsWith("node:")) return source.replace(/^(node:(?:internal\/)?\w+).*/, "$1");
  return (
    /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? /^(src\/[^/]+)/.exec(source)?.[1] ?? source
  );
}
