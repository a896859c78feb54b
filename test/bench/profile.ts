import { readdirSync } from "node:fs";
import { join } from "node:path";
import { hotSpots } from "./hot-spots.ts";
import type { Installation } from "./installation.ts";
import { bundleService } from "./service.ts";

/** Prints where the service's CPU goes in each method: a service of its own each, so that nothing mixes. */
export async function printProfiles(installation: Installation, seconds: number): Promise<void> {
  const bundle = join(installation.directory, "dist");
  const main = bundleService(bundle);
  const other = await installation.startService(main);
  for (const method of ["StartSignature", "CompleteSignature", "GetSignature"] as const) {
    await installation.connect("http2", [other]);
    await installation.prepareCodes(seconds * 1500);
    const folder = join(installation.directory, `profile-${method}`);
    const service = await installation.startService(main, {
      nodeOptions: ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=500"],
    });
    await installation.connect("http2", [service]);
    const { perSecond } = await installation.measure({ method, callers: 64, seconds });
    await installation.stop(service);
    const { parts, functions } = hotSpots(join(folder, readdirSync(folder)[0] ?? ""), bundle);
    console.log(`\n${method}, ${perSecond.toFixed(0)}/s under the profiler; share of the busy time`);
    for (const [title, spots, most] of [
      ["by part", parts, 20],
      ["by function", functions, 40],
    ] as const) {
      console.log(`  ${title}`);
      for (const { name, share } of spots.slice(0, most))
        console.log(`  ${(share * 100).toFixed(1).padStart(6)} %  ${name}`);
    }
  }
}
