import type { MetricDefinition } from "./metric-definition.ts";

/** In seconds; as the semantic conventions of rpc.server.call.duration advise. */
const rpcBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** In seconds; as the semantic conventions of db.client.operation.duration advise. */
const databaseBuckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
/** gRPC codes that say that the server failed, not the caller (semantic conventions for gRPC). */
export const serverErrors = [
  "UNKNOWN",
  "DEADLINE_EXCEEDED",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
] as const;
const callerErrors = [
  "CANCELLED",
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNAUTHENTICATED",
] as const;

/** What every service measures, named and labelled by the semantic conventions of OpenTelemetry (1.45). */
export const conventionDefinitions = {
  rpcDuration: {
    kind: "histogram",
    name: "rpc.server.call.duration",
    unit: "s",
    description: "Duration of incoming calls",
    labels: {
      "rpc.system.name": ["grpc"],
      "rpc.method": { known: ["_OTHER"], form: /^(?:_OTHER|[\w.]+\/\w+)$/ },
      "rpc.status_code": ["OK", ...serverErrors, ...callerErrors],
      "error.type": serverErrors,
    },
    buckets: rpcBuckets,
  },
  databaseDuration: {
    kind: "histogram",
    name: "db.client.operation.duration",
    unit: "s",
    description: "Duration of store operations, each one transaction, the wait for a connection included",
    labels: {
      "db.system.name": ["postgresql"],
      "db.operation.name": { known: [], form: /^[A-Za-z]+\.[A-Za-z]+$/ },
      "error.type": { known: ["_OTHER"], form: /^(?:_OTHER|[0-9A-Z]{5})$/ },
    },
    buckets: databaseBuckets,
  },
  eventLoopDelay: {
    kind: "gauge",
    name: "nodejs.eventloop.delay.p99",
    unit: "s",
    description: "99th percentile of the event loop's delay since the last reading",
    labels: {},
  },
  eventLoopDelayMax: {
    kind: "gauge",
    name: "nodejs.eventloop.delay.max",
    unit: "s",
    description: "Longest delay of the event loop since the last reading",
    labels: {},
  },
  eventLoopUtilization: {
    kind: "gauge",
    name: "nodejs.eventloop.utilization",
    unit: "1",
    description: "Share of time that the event loop was busy since the last reading",
    labels: {},
  },
  memory: {
    kind: "gauge",
    name: "process.memory.usage",
    unit: "By",
    description: "Physical memory in use",
    labels: {},
  },
  cpu: {
    kind: "observed_counter",
    name: "process.cpu.time",
    unit: "s",
    description: "Processor time used",
    labels: { "cpu.mode": ["user", "system"] },
  },
} as const satisfies Record<string, MetricDefinition>;
