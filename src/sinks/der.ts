import { type BaseBlock, Constructed, fromBER } from "asn1js";
import { TimeStampFault } from "./time-stamp-fault.ts";

// The parts of a document as they were encoded: what is signed or hashed is never encoded again.

/** Libraries have errors of their own for what cannot be read, and some of a language's. */
export function readable<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    throw error instanceof TimeStampFault ? error : new TimeStampFault("NOT_A_TOKEN");
  }
}

/** @throws TimeStampFault where it is not one value in DER, with nothing behind it */
export function parseDer(bytes: Uint8Array): BaseBlock {
  const { offset, result } = fromBER(bytes);
  if (offset !== bytes.length) throw new TimeStampFault("NOT_A_TOKEN");
  return result;
}

export function childrenOf(block: BaseBlock | undefined): BaseBlock[] {
  if (!(block instanceof Constructed)) throw new TimeStampFault("NOT_A_TOKEN");
  return block.valueBlock.value as BaseBlock[];
}

/** The child with a context-specific tag. */
export function tagged(children: readonly BaseBlock[], tag: number): BaseBlock | undefined {
  return children.find(({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === tag);
}

export function rawOf(block: BaseBlock | undefined): Buffer {
  if (block === undefined) throw new TimeStampFault("NOT_A_TOKEN");
  return Buffer.from(block.valueBeforeDecodeView);
}
