import type { Environment } from "./environment.ts";

/** What may be open at once: connections, calls on them, and those calls that stay open as streams. */
interface Quota {
  readonly connections: number;
  readonly calls: number;
  readonly streams: number;
}

export interface GrpcQuotas {
  readonly all: Quota;
  /** A caller to whom CALLERS_FILE gives no other. */
  readonly caller: Quota;
  /** All peers together that are no callers. */
  readonly unknown: Quota;
}

export function readQuotas(env: Environment): GrpcQuotas {
  const quotas = {
    all: readQuota(env, "GRPC_", { connections: 2000, calls: 5000, streams: 3000 }),
    caller: readQuota(env, "GRPC_CALLER_", { connections: 200, calls: 2000, streams: 1000 }),
    unknown: readQuota(env, "GRPC_UNKNOWN_", { connections: 20, calls: 50, streams: 10 }),
  };
  for (const kind of ["connections", "calls", "streams"] as const) {
    const name = (prefix: string) => `${prefix}${kind.toUpperCase()}`;
    for (const [prefix, { [kind]: most }] of [
      ["GRPC_CALLER_", quotas.caller],
      ["GRPC_UNKNOWN_", quotas.unknown],
    ] as const) {
      if (most > quotas.all[kind]) env.fault(name(prefix), `must not be more than ${name("GRPC_")}`);
    }
  }
  return quotas;
}

function readQuota(env: Environment, prefix: string, fallback: Quota): Quota {
  const quota = {
    connections: env.whole(`${prefix}CONNECTIONS`, fallback.connections, 1, 100_000),
    calls: env.whole(`${prefix}CALLS`, fallback.calls, 2, 100_000),
    streams: env.whole(`${prefix}STREAMS`, fallback.streams, 1, 100_000),
  };
  if (quota.streams >= quota.calls) {
    env.fault(`${prefix}STREAMS`, `must be less than ${prefix}CALLS: the rest is for unary calls`);
  }
  return quota;
}
