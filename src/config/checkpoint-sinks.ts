import type { Environment } from "./environment.ts";
import { isLoopback } from "./environment.ts";

export interface CheckpointSinksConfig {
  /** `file:` for a file or, with a slash at the end, a directory; else an HTTP endpoint. */
  readonly sinks: readonly string[];
  /** JSON of headers by origin, for credentials. */
  readonly headersFile: string | undefined;
}

/** `SIGNATURE_CHECKPOINT_SINKS=file:///var/lib/evidence/checkpoints.jsonl,https://evidence.bank/checkpoints`. */
export function readCheckpointSinks(env: Environment): CheckpointSinksConfig {
  const sinks = env.list("SIGNATURE_CHECKPOINT_SINKS") ?? [];
  const headersFile = env.text("SIGNATURE_CHECKPOINT_HEADERS_FILE");
  for (const [index, sink] of sinks.entries()) {
    const fault = sinkFault(sink);
    if (fault !== undefined) env.fault("SIGNATURE_CHECKPOINT_SINKS", `has ${fault} as number ${index + 1}`);
  }
  if (new Set(sinks).size < sinks.length) env.fault("SIGNATURE_CHECKPOINT_SINKS", "names a place twice");
  if (headersFile !== undefined && !sinks.some((sink) => sink.startsWith("http"))) {
    env.fault(
      "SIGNATURE_CHECKPOINT_HEADERS_FILE",
      "is for HTTP endpoints, and SIGNATURE_CHECKPOINT_SINKS has none",
    );
  }
  return { sinks, headersFile };
}

function sinkFault(sink: string): string | undefined {
  const url = URL.canParse(sink) ? new URL(sink) : undefined;
  if (url?.protocol === "file:" && url.host === "" && url.pathname !== "/") return undefined;
  if (url?.username || url?.password)
    return "credentials in an address: they belong in SIGNATURE_CHECKPOINT_HEADERS_FILE";
  if (url?.protocol === "https:") return undefined;
  if (url?.protocol === "http:") {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    return isLoopback(host) ? undefined : "an http address that is not on loopback";
  }
  return "neither a file:///, nor an https:// address";
}
