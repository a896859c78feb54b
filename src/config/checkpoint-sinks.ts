import type { Environment } from "./environment.ts";
import { isLoopback } from "./environment.ts";

export interface CheckpointSinksConfig {
  /**
   * `file:` for a file or, with a slash at the end, a directory; `rfc3161+https:` for a time-stamp authority; else an
   * HTTP endpoint.
   */
  readonly sinks: readonly string[];
  /** JSON of headers by origin, for credentials. */
  readonly headersFile: string | undefined;
  /** PEM of the authorities that are trusted for time stamps. */
  readonly tsaCaFile: string | undefined;
}

/** Stands before the address of a time-stamp authority. */
export const timeStampPrefix = "rfc3161+";

/** `SIGNATURE_CHECKPOINT_SINKS=file:///var/lib/evidence/checkpoints.jsonl,https://evidence.bank/checkpoints`. */
export function readCheckpointSinks(env: Environment): CheckpointSinksConfig {
  const sinks = env.list("SIGNATURE_CHECKPOINT_SINKS") ?? [];
  const headersFile = env.text("SIGNATURE_CHECKPOINT_HEADERS_FILE");
  const tsaCaFile = env.text("SIGNATURE_CHECKPOINT_TSA_CA_FILE");
  for (const [index, sink] of sinks.entries()) {
    const fault = sinkFault(sink);
    if (fault !== undefined) env.fault("SIGNATURE_CHECKPOINT_SINKS", `has ${fault} as number ${index + 1}`);
  }
  if (new Set(sinks).size < sinks.length) env.fault("SIGNATURE_CHECKPOINT_SINKS", "names a place twice");
  if (headersFile !== undefined && sinks.every((sink) => sink.startsWith("file:"))) {
    env.fault(
      "SIGNATURE_CHECKPOINT_HEADERS_FILE",
      "is for HTTP endpoints, and SIGNATURE_CHECKPOINT_SINKS has none",
    );
  }
  const stamps = sinks.some((sink) => sink.startsWith(timeStampPrefix));
  if (stamps && tsaCaFile === undefined) {
    env.fault(
      "SIGNATURE_CHECKPOINT_TSA_CA_FILE",
      "is required by the time-stamp authority in SIGNATURE_CHECKPOINT_SINKS: PEM of the authorities that are trusted",
    );
  }
  if (!stamps && tsaCaFile !== undefined) {
    env.fault(
      "SIGNATURE_CHECKPOINT_TSA_CA_FILE",
      "is for time-stamp authorities, and SIGNATURE_CHECKPOINT_SINKS has none",
    );
  }
  return { sinks, headersFile, tsaCaFile };
}

function sinkFault(sink: string): string | undefined {
  const stamps = sink.startsWith(timeStampPrefix);
  const address = stamps ? sink.slice(timeStampPrefix.length) : sink;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!stamps && url?.protocol === "file:" && url.host === "" && url.pathname !== "/") return undefined;
  if (url?.username || url?.password)
    return "credentials in an address: they belong in SIGNATURE_CHECKPOINT_HEADERS_FILE";
  if (url?.protocol === "https:") return undefined;
  if (url?.protocol === "http:") {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    return isLoopback(host) ? undefined : "an http address that is not on loopback";
  }
  return "neither a file:///, nor an https://, nor an rfc3161+https:// address";
}
