import type { Config } from "../config.ts";
import { type OpsOptions, opsHandler } from "../telemetry/ops-server.ts";
import { onlyHosts, privateNames } from "./allowed-hosts.ts";
import { type HttpListener, listenHttp } from "./http-listener.ts";

/** Probes and scrapers; those that keep still give way to new ones. */
const connections = 200;
const keepAliveMs = 75_000;

/** Probes come under any name, and the public keys are for everybody. */
const unguarded = new Set(["/livez", "/readyz", "/.well-known/jwks.json"]);

/** What OPS_LISTEN serves. */
export async function listenOps(
  { ops, opsHosts }: Pick<Config, "ops" | "opsHosts">,
  options: OpsOptions,
): Promise<HttpListener> {
  const names = { form: privateNames, others: opsHosts };
  return await listenHttp(
    ops,
    onlyHosts(opsHandler(options), names, (path) => !unguarded.has(path)),
    (cause) => options.logger.error("operations endpoint failed", { service: "ops" }, cause),
    { connections, keepAliveMs, requestMs: 10_000 },
  );
}
