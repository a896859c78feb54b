import type { MadeCheckpoint } from "./evidence-store.ts";
import { type Checkpoint, checkpointHash } from "./seal-statement.ts";

/** A checkpoint as it is kept outside the database. Bytes are in lower-case hex; it holds no personal data. */
export interface CheckpointCopy {
  readonly day: string;
  readonly seals: number;
  readonly digest: string;
  readonly previous: string;
  readonly key_id: string;
  readonly signature: string;
  /** Of its statement: what the next one has as `previous`. */
  readonly hash: string;
}

/**
 * What a place made of a checkpoint. `differs`: it has another one of that day, and keeps it. What vouches for the
 * checkpoint instead of keeping it (RFC 3161) answers a token, which is then kept.
 */
export type Delivery = "delivered" | "differs" | { readonly token: Uint8Array };

/** A place outside the database that keeps checkpoints, whose owner could remove them there. */
export interface CheckpointSink {
  readonly kind: "file" | "http" | "tsa";
  /** Its address, without credentials: what it has got is remembered under it. */
  readonly name: string;
  /** MUST bear the same one twice. */
  deliver(copy: CheckpointCopy, signal: AbortSignal): Promise<Delivery>;
  /** What it has, where that can be read. */
  copies?(): Promise<readonly CheckpointCopy[]>;
}

export function copyOf(checkpoint: Checkpoint): CheckpointCopy {
  return {
    day: checkpoint.day,
    seals: checkpoint.seals,
    digest: checkpoint.digest.toString("hex"),
    previous: checkpoint.previous.toString("hex"),
    key_id: checkpoint.keyId,
    signature: checkpoint.signature.toString("hex"),
    hash: checkpointHash(checkpoint).toString("hex"),
  };
}

/** The checkpoints that readable sinks have; one that cannot be read now tells nothing. */
export async function keptOutside(sinks: readonly CheckpointSink[]): Promise<MadeCheckpoint[]> {
  const copies = await Promise.all(sinks.map((sink) => sink.copies?.().catch(() => []) ?? []));
  return copies.flat().map(({ day, hash }) => ({ day, hash: Buffer.from(hash, "hex") }));
}
