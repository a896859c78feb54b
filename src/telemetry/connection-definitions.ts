import type { MetricDefinition } from "./metric-definition.ts";

/** Of connections to the gRPC listener: what they hold, what they were refused, and how their TLS fares. */
export const connectionDefinitions = {
  grpcHeld: {
    kind: "gauge",
    name: "signature.grpc.held",
    unit: "1",
    description:
      "What all peers hold open: connections, calls on them, and those calls that stay open as streams",
    labels: { kind: ["connections", "calls", "streams"] },
  },
  grpcQuotaRefusals: {
    kind: "counter",
    name: "signature.grpc.quota_refusals",
    unit: "1",
    description: "Connections, calls and streams refused, by what they were too many of and for whom",
    labels: {
      kind: ["connections", "calls", "streams"],
      scope: ["all", "caller", "unknown", "connection"],
    },
  },
  handshakeFailures: {
    kind: "counter",
    name: "signature.tls.handshake_failures",
    unit: "{connection}",
    description: "Connections to the gRPC listener that ended in their TLS handshake, by why",
    labels: {
      fault: [
        "no_certificate",
        "certificate_expired",
        "certificate_untrusted",
        "certificate_refused",
        "refused_by_client",
        "protocol_version",
        "cipher",
        "no_http2",
        "not_tls",
        "timed_out",
        "cut_off",
        "other",
      ],
    },
  },
  certificateLife: {
    kind: "gauge",
    name: "signature.tls.certificate_life",
    unit: "s",
    description:
      "Until the first certificate runs out among those in use, of the server or of the client CA file",
    labels: { certificate: ["server", "client_ca"] },
  },
} as const satisfies Record<string, MetricDefinition>;
