import type { ClientKind } from "./caller.ts";
import type { FloorResult } from "./floor-process.ts";
import { type Installation, type Measured, serviceCore } from "./installation.ts";
import { hasPgbench, pgbench } from "./pgbench.ts";
import { type Statement, WireTap } from "./wire-tap.ts";
import { Worker } from "./worker.ts";

/** What StartSignature is held against: its parts without the service around them. */
export interface Floor {
  readonly statements: FloorResult;
  readonly pgbench: { readonly perSecond: number; readonly latencyMs: number } | undefined;
  readonly post: FloorResult;
  readonly echo: Measured;
  readonly read: FloorResult;
  /** Of one call each, as they were heard on the wire; none is parsed again once a connection knows it. */
  readonly texts: { readonly start: readonly string[]; readonly read: readonly string[] };
}

interface Sample {
  readonly key: string;
  readonly signatureId: string;
  readonly challengeId: string;
}

/** Measures the floor; the service has to be there for the echo, and answers nothing else meanwhile. */
export async function measureFloor(
  installation: Installation,
  options: { main: string; client: ClientKind; callers: number; seconds: number },
): Promise<Floor> {
  const heard = await listen(installation, options);
  const { callers, seconds } = options;
  const { databaseUrl, directory } = installation;
  const order = { databaseUrl, callers, seconds };
  await using worker = new Worker("./floor-process.ts", serviceCore);
  const start = { ...order, statements: heard.start, unique: heard.unique };
  return {
    statements: await worker.ask<FloorResult>("statements", start),
    pgbench: hasPgbench ? await pgbench({ ...start, directory, core: serviceCore }) : undefined,
    read: await worker.ask<FloorResult>("transaction", { ...order, statements: heard.read, unique: [] }),
    post: await worker.ask<FloorResult>("post", { url: installation.doubleUrl, callers, seconds }),
    echo: await installation.measure({ method: "Check", callers, seconds }),
    texts: { start: heard.start.map(({ text }) => text), read: heard.read.map(({ text }) => text) },
  };
}

/** The statements of one StartSignature and one GetSignature, from a service of their own behind a tap. */
async function listen(
  installation: Installation,
  { main, client }: { main: string; client: ClientKind },
): Promise<{ start: Statement[]; read: Statement[]; unique: string[] }> {
  await using tap = await WireTap.start(installation.databaseUrl);
  const others = [...installation.services];
  const service = await installation.startService(main, {
    env: { DATABASE_URL: tap.urlOf(installation.databaseUrl), SIGNATURE_SWEEP_SECONDS: "60" },
  });
  await installation.connect("http2", [service]);
  tap.clear();
  const sample = await installation.client.ask<Sample>("sample");
  const mentions = ({ parameters }: Statement) =>
    parameters.some((value) => value?.includes(sample.signatureId) || value?.includes(sample.challengeId));
  const start = tap.statements.filter(mentions);
  const sid = start
    .flatMap(({ parameters }) => parameters)
    .map((value) => /SM[0-9a-f]{32}/.exec(value ?? "")?.[0])
    .find((value) => value !== undefined);
  tap.clear();
  await installation.client.ask("load", { method: "GetSignature", callers: 1, seconds: 0.01 });
  const reads = tap.statements.filter(mentions);
  const read = [...new Map(reads.map((statement) => [statement.text, statement])).values()];
  await installation.stop(service);
  await installation.connect(client, others);
  return { start, read, unique: [sample.key, sample.signatureId, sample.challengeId, sid ?? ""] };
}
