import { createHash } from "node:crypto";
import { isSignedBy } from "./ed25519.ts";
import { leafHash } from "./merkle-tree.ts";
import type { Signer } from "./signer.ts";
import { uuidBytes } from "./uuid.ts";

// What the receipt key signs beside receipts. Each label ends with a NUL and all that follows has a fixed
// length, so no statement reads as another one, nor as a JWS.
const sealLabel = Buffer.from("signature-seal-v1\0");
const checkpointLabel = Buffer.from("signature-checkpoint-v1\0");

/** That the chain of a closed signature had this length and this head at this time. */
export interface SealedChain {
  readonly signatureId: string;
  readonly length: number;
  /** 32 bytes. */
  readonly head: Buffer;
  readonly sealedAt: Date;
}

export interface Seal extends SealedChain {
  readonly keyId: string;
  /** Ed25519, 64 bytes. */
  readonly signature: Buffer;
}

/** That these were all the seals of a day. */
export interface SealedDay {
  /** UTC, `YYYY-MM-DD`. */
  readonly day: string;
  readonly seals: number;
  /** Root of the Merkle tree over the seals, ordered by signature id and length. */
  readonly digest: Buffer;
  /** Hash of the checkpoint of the day before; 32 zero bytes for the first one. */
  readonly previous: Buffer;
}

export interface Checkpoint extends SealedDay {
  readonly keyId: string;
  readonly signature: Buffer;
}

/** Label, signature id (16 bytes), length (int4), head (32), time (int8, milliseconds), big-endian. */
export function sealStatement({ signatureId, length, head, sealedAt }: SealedChain): Buffer {
  const [count, time] = [Buffer.alloc(4), Buffer.alloc(8)];
  count.writeInt32BE(length);
  time.writeBigInt64BE(BigInt(sealedAt.getTime()));
  return Buffer.concat([sealLabel, uuidBytes(signatureId), count, head, time]);
}

/** Label, day (10 bytes), number of seals (int4), digest (32), previous (32). */
export function checkpointStatement({ day, seals, digest, previous }: SealedDay): Buffer {
  const count = Buffer.alloc(4);
  count.writeInt32BE(seals);
  return Buffer.concat([checkpointLabel, Buffer.from(day), count, digest, previous]);
}

/** @throws Failure SERVICE_UNAVAILABLE */
export async function signSeals(signer: Signer, chains: readonly SealedChain[]): Promise<Seal[]> {
  const keyId = signer.currentKeyId();
  const signatures = await signer.sign(keyId, chains.map(sealStatement));
  return chains.map((chain, index) => ({ ...chain, keyId, signature: signatures[index]! }));
}

/** @throws Failure SERVICE_UNAVAILABLE */
export async function signCheckpoint(signer: Signer, day: SealedDay): Promise<Checkpoint> {
  const keyId = signer.currentKeyId();
  const [signature] = await signer.sign(keyId, [checkpointStatement(day)]);
  return { ...day, keyId, signature: signature! };
}

export function isSealBy(seal: Seal, publicKey: Uint8Array): boolean {
  return isSignedBy(publicKey, sealStatement(seal), seal.signature);
}

export function isCheckpointBy(checkpoint: Checkpoint, publicKey: Uint8Array): boolean {
  return isSignedBy(publicKey, checkpointStatement(checkpoint), checkpoint.signature);
}

/** The UTC day of an instant, `YYYY-MM-DD`. */
export function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}

/** What stands for a seal in the tree of its day. */
export function sealLeaf(seal: Seal): Buffer {
  return leafHash(Buffer.concat([sealStatement(seal), seal.signature]));
}

/** What the checkpoint after this one has as `previous`. */
export function checkpointHash(checkpoint: SealedDay | undefined): Buffer {
  if (checkpoint === undefined) return Buffer.alloc(32);
  return createHash("sha256").update(checkpointStatement(checkpoint)).digest();
}
