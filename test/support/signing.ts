import { signBytes } from "../../src/domain/ed25519.ts";
import { type EvidencePack, packStatement } from "../../src/domain/evidence-pack.ts";
import { type ReceiptFacts, receiptParts } from "../../src/domain/receipt.ts";
import {
  type Checkpoint,
  checkpointStatement,
  type Seal,
  type SealedChain,
  type SealedDay,
  sealStatement,
} from "../../src/domain/seal-statement.ts";

// What the service signs, signed here by whoever has a seed, at once.

export interface SigningKey {
  readonly id: string;
  readonly key: Uint8Array;
}

export function signSeal(chain: SealedChain, { id, key }: SigningKey): Seal {
  return { ...chain, keyId: id, signature: signBytes(key, sealStatement(chain)) };
}

export function signCheckpoint(day: SealedDay, { id, key }: SigningKey): Checkpoint {
  return { ...day, keyId: id, signature: signBytes(key, checkpointStatement(day)) };
}

export function signReceipt(facts: ReceiptFacts, seed: Uint8Array): string {
  const { header, payload } = receiptParts(facts);
  const input = [header, payload].map((part) => Buffer.from(part).toString("base64url")).join(".");
  return `${input}.${signBytes(seed, Buffer.from(input)).toString("base64url")}`;
}

export function signPack(content: Omit<EvidencePack, "signed">, { id, key }: SigningKey): EvidencePack {
  const unsigned = { ...content, signed: { key_id: id, signature: "" } };
  const signature = signBytes(key, packStatement(unsigned)).toString("hex");
  return { ...content, signed: { key_id: id, signature } };
}
