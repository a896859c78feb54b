import { join } from "node:path";
import type { ClientKind } from "./caller.ts";
import type { Method } from "./client-process.ts";
import type { Installation, Measured } from "./installation.ts";
import { bundleService } from "./service.ts";

const methods = ["StartSignature", "CompleteSignature", "GetSignature"] as const satisfies readonly Method[];
type Compared = Pick<Measured, "perSecond" | "serviceUs" | "postgresUs" | "p50" | "p99">;

/** Medians of both sides, in turns on one database, so that whatever else the machine does meets both alike. */
export interface Comparison {
  readonly method: Method;
  readonly here: Compared;
  readonly there: Compared;
}

/** Holds two bundles against each other: this checkout and another one whose schema is the same. */
export async function compare(
  installation: Installation,
  options: {
    here: string;
    there: string;
    client: ClientKind;
    rounds: number;
    seconds: number;
    callers: number;
  },
): Promise<Comparison[]> {
  const { callers, seconds, rounds, client } = options;
  const start = async (name: string, checkout: string) =>
    installation.startService(bundleService(join(installation.directory, name), checkout));
  const sides = [await start("here", options.here), await start("there", options.there)];
  const found = new Map(
    sides.map((side) => [side, new Map(methods.map((method) => [method, [] as Measured[]]))]),
  );
  for (let round = 0; round <= rounds; round += 1) {
    for (const method of methods) {
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) {
        await installation.connect(client, [side]);
        if (method === "CompleteSignature") await installation.prepareCodes(seconds * 1500);
        const measured = await installation.measure({ method, callers, seconds });
        // The first round warms up.
        if (round > 0) found.get(side)?.get(method)?.push(measured);
      }
    }
  }
  const [here, there] = sides.map((side) => found.get(side));
  return methods.map((method) => ({
    method,
    here: medians(here?.get(method) ?? []),
    there: medians(there?.get(method) ?? []),
  }));
}

function medians(runs: readonly Measured[]): Compared {
  const median = (of: (run: Measured) => number) =>
    runs.map(of).sort((left, right) => left - right)[Math.floor(runs.length / 2)] ?? Number.NaN;
  return {
    perSecond: median((run) => run.perSecond),
    serviceUs: median((run) => run.serviceUs),
    postgresUs: median((run) => run.postgresUs),
    p50: median((run) => run.p50),
    p99: median((run) => run.p99),
  };
}
