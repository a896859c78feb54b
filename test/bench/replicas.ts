import { join } from "node:path";
import type { ClientKind } from "./caller.ts";
import type { Installation } from "./installation.ts";
import { table } from "./report.ts";
import { bundleService } from "./service.ts";

/**
 * One replica against several on one PostgreSQL. None is pinned, or a second one would have no core of its
 * own on a small machine; the callers and PostgreSQL take their share of the same cores.
 */
export async function compareReplicas(
  installation: Installation,
  { client, replicas, seconds }: { client: ClientKind; replicas: number; seconds: number },
): Promise<void> {
  const main = bundleService(join(installation.directory, "dist"));
  const rows: string[][] = [];
  for (const count of [1, replicas]) {
    while (installation.services.length < count) await installation.startService(main, { core: undefined });
    await installation.connect(client);
    await installation.measure({ method: "StartSignature", callers: 32, seconds: seconds / 2 });
    for (const method of ["StartSignature", "CompleteSignature", "GetSignature"] as const) {
      if (method === "CompleteSignature") await installation.prepareCodes(seconds * 2500);
      const measured = await installation.measure({ method, callers: 64, seconds });
      rows.push([
        `${method}, ${count} replica${count === 1 ? "" : "s"}`,
        ...[measured.perSecond, measured.p50, measured.p99, measured.serviceUs, measured.postgresUs].map(
          (value) => value.toFixed(0),
        ),
        measured.cores.map((share) => `${Math.round(share * 100)} %`).join(", "),
      ]);
    }
  }
  console.log(
    table(["64 callers", "calls/s", "p50 ms", "p99 ms", "service µs", "PostgreSQL µs", "cores"], rows).join(
      "\n",
    ),
  );
  console.log(await sharedKeys(installation));
}

/** Every key goes to all replicas at once: each may send one message. */
async function sharedKeys(installation: Installation): Promise<string> {
  const before = await installation.double.ask<number>("accepted");
  const keys = 200;
  const { calls, failed } = await installation.client.ask<{ calls: number; failed: number }>(
    "sameKeys",
    keys,
  );
  const sent = (await installation.double.ask<number>("accepted")) - before;
  if (sent !== keys || failed > 0) process.exitCode = 1;
  return `\n${keys} idempotency keys in ${calls} calls over all replicas at once: ${sent} messages sent, ${failed} calls failed.`;
}
