import type { MetricDefinition } from "./metric-definition.ts";

/** Of what the provider tells of messages after they were sent. */
export const receiptDefinitions = {
  duplicates: {
    kind: "counter",
    name: "signature.duplicates",
    unit: "{message}",
    description: "Messages that customers got twice",
    labels: {},
  },
  receipts: {
    kind: "counter",
    name: "signature.receipts",
    unit: "{receipt}",
    description: "Final delivery receipts",
    labels: { status: ["delivered", "undelivered"] },
  },
  receiptMismatches: {
    kind: "counter",
    name: "signature.receipt_mismatches",
    unit: "{receipt}",
    description: "Well signed receipts that do not fit their challenge, of which nothing was recorded",
    labels: { fault: ["account", "destination", "attempt", "message"] },
  },
} as const satisfies Record<string, MetricDefinition>;
