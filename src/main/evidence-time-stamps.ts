import type { X509Certificate } from "node:crypto";
import type { PackedCheckpoint } from "../domain/evidence-pack.ts";
import type { TimeStampCheck } from "../domain/pack-verdict.ts";
import { checkpointHash } from "../domain/seal-statement.ts";
import { TimeStampFault } from "../sinks/time-stamp-fault.ts";

/** Checks the time stamps of a pack; the library for ASN.1 is loaded for that alone. */
export function timeStampCheck(anchors: readonly X509Certificate[]): TimeStampCheck {
  return async (checkpoints) => {
    const { checkTimeStamp } = await import("../sinks/time-stamp-check.ts");
    const lines: string[] = [];
    for (const checkpoint of checkpoints) {
      const stamps = checkpoint.timestamps ?? [];
      if (stamps.length === 0) lines.push(`the checkpoint of ${checkpoint.day} has no time stamp`);
      for (const { sink, token } of stamps) {
        const name = `the time stamp of ${sink} over the checkpoint of ${checkpoint.day}`;
        try {
          const stamped = { day: checkpoint.day, digest: hashOf(checkpoint) };
          const at = checkTimeStamp(Buffer.from(token, "hex"), stamped, anchors);
          lines.push(`the checkpoint of ${checkpoint.day} existed at ${at.toISOString()}, says ${sink}`);
        } catch (error) {
          if (!(error instanceof TimeStampFault)) throw error;
          return { fault: `${name}: ${error.message}` };
        }
      }
    }
    return { lines };
  };
}

function hashOf({ day, seals, digest, previous }: PackedCheckpoint): Buffer {
  const bytes = (hex: string) => Buffer.from(hex, "hex");
  return checkpointHash({ day, seals, digest: bytes(digest), previous: bytes(previous) });
}
