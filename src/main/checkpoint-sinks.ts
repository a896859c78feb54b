import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type CheckpointSinksConfig, timeStampPrefix } from "../config/checkpoint-sinks.ts";
import { ConfigError } from "../config/config-error.ts";
import type { CheckpointSink } from "../domain/checkpoint-sink.ts";
import { fileFault } from "../domain/file-fault.ts";
import { FileSink } from "../sinks/file-sink.ts";
import { HttpSink } from "../sinks/http-sink.ts";
import { TimeStampSink } from "../sinks/time-stamp-sink.ts";
import { trustAnchors } from "../sinks/trust-anchors.ts";

/**
 * The places outside the database that get checkpoints.
 * @throws ConfigError where the authorities that are trusted for time stamps cannot be read
 */
export function openCheckpointSinks(config: CheckpointSinksConfig): CheckpointSink[] {
  const { sinks, headersFile, tsaCaFile } = config;
  if (tsaCaFile !== undefined) checkAnchors(tsaCaFile);
  return sinks.map((sink) => {
    if (sink.startsWith(timeStampPrefix)) {
      const url = new URL(sink.slice(timeStampPrefix.length));
      return new TimeStampSink(sink, url, { headersFile, caFile: tsaCaFile ?? "" });
    }
    const url = new URL(sink);
    return url.protocol === "file:"
      ? new FileSink(sink, fileURLToPath(url))
      : new HttpSink(sink, url, headersFile);
  });
}

function checkAnchors(path: string): void {
  try {
    trustAnchors(readFileSync(path));
  } catch (error) {
    const fault = fileFault(path, error) ?? `${path} has no certificate in PEM, or one that cannot be read`;
    throw new ConfigError([`SIGNATURE_CHECKPOINT_TSA_CA_FILE: ${fault}`]);
  }
}
