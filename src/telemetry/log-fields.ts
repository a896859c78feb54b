/** Every field that a log line may have, beside level, time, message, trace_id and span_id. */
export const logFieldNames = [
  // Whom and what it is about. None of them is personal.
  "signature_id",
  "challenge_id",
  "message_sid",
  "provider",
  "caller",
  // What happened.
  "attempt",
  "budget",
  "code",
  "completed",
  "count",
  "country",
  "day",
  "detail",
  "duration_ms",
  "encoding",
  "error_code",
  "fault",
  "found",
  "kind",
  "known_by",
  "method",
  "number_prefix",
  "outcome",
  "peer",
  "provider_ms",
  "reason",
  "scope",
  "segments",
  "service",
  "share",
  "since",
  "sink",
  "state",
  "status",
  "step",
  "until_freed",
  // The process itself.
  "check",
  "drain_ms",
  "file",
  "in_flight",
  "key_id",
  "listen",
  "mode",
  "node_version",
  "secret_version",
  "signal",
  "variable",
  "version",
] as const;

export type LogFieldName = (typeof logFieldNames)[number];
export type LogFields = { readonly [name in LogFieldName]?: string | number | boolean | undefined };

const allowed: ReadonlySet<string> = new Set(logFieldNames);
const mostText = 200;

/** The fields that may be printed. What types cannot keep out (other names, objects, long texts) ends here. */
export function allowedFields(fields: LogFields): Record<string, string | number | boolean> {
  const line: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (!allowed.has(name)) continue;
    if (typeof value === "string") line[name] = plainText(value);
    else if (typeof value === "number" || typeof value === "boolean") line[name] = value;
  }
  return line;
}

// Control characters could forge lines in a terminal.
function plainText(value: string): string {
  return value.slice(0, mostText).replace(/\p{Cc}/gu, "?");
}
