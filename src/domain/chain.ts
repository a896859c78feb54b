import { createHash } from "node:crypto";
import { uuidBytes } from "./uuid.ts";

/** One link of a signature's hash chain, as it was recorded. */
export interface ChainedEvent {
  readonly number: number;
  readonly at: Date;
  readonly type: string;
  /** The JSON text that was hashed, byte for byte. */
  readonly details: string;
  /** 32 bytes. */
  readonly hash: Buffer;
}

/** The head before the first event. */
export const emptyHead: Buffer = Buffer.alloc(0);

/**
 * The hash of one event over the one before it: SHA-256 of head, signature id (16 bytes), number (int4), time
 * (int8, milliseconds since 1970), length of the type (int4), type and details, in UTF-8 and big-endian. The
 * database's function `event_chain` makes the same.
 */
export function eventHash(
  head: Uint8Array,
  signatureId: string,
  { number, at, type, details }: Omit<ChainedEvent, "hash">,
): Buffer {
  const fixed = Buffer.alloc(16);
  fixed.writeInt32BE(number, 0);
  fixed.writeBigInt64BE(BigInt(at.getTime()), 4);
  fixed.writeInt32BE(Buffer.byteLength(type), 12);
  return createHash("sha256")
    .update(head)
    .update(uuidBytes(signatureId))
    .update(fixed)
    .update(type)
    .update(details)
    .digest();
}

/** The first thing that does not fit in a chain that must begin with event 1, undefined where all fits. */
export function chainFault(signatureId: string, events: readonly ChainedEvent[]): string | undefined {
  let head = emptyHead;
  for (const [index, event] of events.entries()) {
    const number = index + 1;
    if (event.number !== number)
      return `event ${number} is missing: number ${event.number} stands in its place`;
    if (!eventHash(head, signatureId, event).equals(event.hash)) {
      return `event ${number} was changed: its hash is not that of its content and of the event before it`;
    }
    head = event.hash;
  }
  return events.length === 0 ? "event 1 is missing" : undefined;
}
