import { parseAddress } from "../postgres/address.ts";
import type { Environment } from "./environment.ts";
import { Secret } from "./secret.ts";

export interface DatabaseConfig {
  /** Undefined: embedded PostgreSQL under dataDir. */
  readonly url: Secret | undefined;
  readonly migrationUrl: Secret | undefined;
  readonly migrate: "auto" | "check";
  readonly connections: number;
}

export function readDatabase(env: Environment): DatabaseConfig {
  const checked = (name: string) => {
    const url = env.text(name);
    for (const fault of url === undefined ? [] : parseAddress(url).faults) env.fault(name, fault);
    return url === undefined ? undefined : new Secret(url);
  };
  const url = checked("DATABASE_URL");
  const migrationUrl = checked("DATABASE_MIGRATION_URL");
  if (migrationUrl !== undefined && url === undefined) {
    env.fault("DATABASE_MIGRATION_URL", "needs DATABASE_URL");
  }
  return {
    url,
    migrationUrl,
    migrate: env.oneOf("SIGNATURE_MIGRATE", ["auto", "check"], "auto"),
    connections: env.whole("DATABASE_CONNECTIONS", 10, 2, 100),
  };
}
