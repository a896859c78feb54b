import { Code, ConnectError } from "@connectrpc/connect";
import type { Call } from "./call.ts";
import { unreadable } from "./errors.ts";
import { refuse } from "./map-errors.ts";

/** One byte of flags, four of length (gRPC over HTTP/2). */
export const envelopeBytes = 5;

export interface EnvelopeRules {
  readonly readMaxBytes: number;
  /** Whether the call named a compression. */
  readonly compressed: boolean;
}

/** A fault of the caller's, though gRPC's conformance suite wants INTERNAL for it. */
export const unsaidCompression = "a compressed message came without grpc-encoding";

/** @throws ConnectError where a message that begins like this may not come */
function checkHead(flags: number, length: number, { readMaxBytes, compressed }: EnvelopeRules): void {
  if (length > readMaxBytes) throw tooLarge(readMaxBytes, length);
  // INTERNAL, as gRPC's specification of compression has it.
  if ((flags & 1) === 1 && !compressed) {
    throw new ConnectError(unsaidCompression, Code.Internal);
  }
}

export function tooLarge(readMaxBytes: number, length?: number): ConnectError {
  const size = length === undefined ? "" : ` of ${length} bytes`;
  return new ConnectError(
    `the message${size} is over the limit of ${readMaxBytes} bytes`,
    Code.ResourceExhausted,
  );
}

/** The first message of a body without compression, and what follows it. @throws where it is not whole */
export function unwrap(body: Buffer, readMaxBytes: number): [message: Buffer, rest: Buffer] {
  if (body.length < envelopeBytes) throw unreadable();
  const length = body.readUInt32BE(1);
  checkHead(body.readUInt8(0), length, { readMaxBytes, compressed: false });
  if (body.length < envelopeBytes + length) throw unreadable();
  return [body.subarray(envelopeBytes, envelopeBytes + length), body.subarray(envelopeBytes + length)];
}

/**
 * A body message by message, each one's head looked at before Connect makes room for what it announces. In one
 * piece: Connect copies all that it has of a message for every piece that comes, and a client chooses the pieces.
 */
export async function* wholeEnvelopes(
  body: AsyncIterable<Uint8Array>,
  rules: EnvelopeRules,
  call: Call,
): AsyncGenerator<Uint8Array> {
  const head = Buffer.alloc(envelopeBytes);
  let headSize = 0;
  let remaining = 0;
  let pieces: Uint8Array[] = [];
  for await (const chunk of body) {
    const whole: Uint8Array[] = [];
    for (let at = 0; at < chunk.length; ) {
      if (remaining > 0) {
        const taken = Math.min(remaining, chunk.length - at);
        pieces.push(chunk.subarray(at, at + taken));
        remaining -= taken;
        at += taken;
      } else {
        head[headSize++] = chunk[at++] ?? 0;
        if (headSize < envelopeBytes) continue;
        headSize = 0;
        remaining = head.readUInt32BE(1);
        try {
          checkHead(head.readUInt8(0), remaining, rules);
        } catch (error) {
          throw refuse(call, error);
        }
        pieces.push(Buffer.from(head));
      }
      if (remaining > 0) continue;
      whole.push(Buffer.concat(pieces));
      pieces = [];
    }
    yield* whole;
  }
  // Connect refuses what is cut short.
  if (headSize > 0 || pieces.length > 0) yield Buffer.concat([...pieces, head.subarray(0, headSize)]);
}
