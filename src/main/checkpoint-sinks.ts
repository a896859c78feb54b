import { fileURLToPath } from "node:url";
import type { CheckpointSinksConfig } from "../config/checkpoint-sinks.ts";
import type { CheckpointSink } from "../domain/checkpoint-sink.ts";
import { FileSink } from "../sinks/file-sink.ts";
import { HttpSink } from "../sinks/http-sink.ts";

/** The places outside the database that get checkpoints. */
export function openCheckpointSinks({ sinks, headersFile }: CheckpointSinksConfig): CheckpointSink[] {
  return sinks.map((sink) => {
    const url = new URL(sink);
    return url.protocol === "file:"
      ? new FileSink(sink, fileURLToPath(url))
      : new HttpSink(sink, url, headersFile);
  });
}
