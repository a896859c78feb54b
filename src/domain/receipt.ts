import { createHash } from "node:crypto";
import type { Channel } from "./challenge.ts";
import { publicBytesOf } from "./ed25519.ts";
import { jwkValidity, type KeyHistory, validityOf } from "./key-validity.ts";
import type { ReceiptKeyRing } from "./keys.ts";
import type { TextStyle } from "./message-texts.ts";
import type { Signer } from "./signer.ts";

/** What a completion is a consent to, settled before it is committed and recorded with it. */
export interface Consent {
  /** The latest challenge when the code came in. */
  readonly challengeId: string;
  readonly channel: Channel;
  /** Lower-case hex: of the text with the code masked. */
  readonly textDigest: string;
  /** The key that the receipt is signed with. */
  readonly receiptKeyId: string;
}

/** A challenge as far as its text is made of it. */
export interface TextOrigin extends TextStyle {
  readonly id: string;
  readonly channel: Channel;
  readonly brand: string;
  readonly webOtpHost: string;
  /** Milliseconds from its creation to its expiry: what the text's minutes count. */
  readonly textLifeMs: number;
}

/** What the completion itself adds to a receipt. */
export interface CompletionProof {
  /** Of every message that was known to be sent, as the timeline up to the completion has them. */
  readonly messageSids: readonly string[];
  readonly firstFactor: string;
  /** Lower-case hex: the hash of the event that records the completion, and that event's number. */
  readonly chainHead: string;
  readonly chainLength: number;
}

/** What a receipt says; none of it ever changes, so the same receipt can be made again. */
export interface ReceiptFacts extends Consent, CompletionProof {
  readonly signatureId: string;
  readonly caller: string;
  readonly completedAt: Date;
  /** Lower-case hex. */
  readonly transactionDigest: string;
}

const receiptType = "signature-receipt+jwt";

/** SHA-256 of a text whose code is masked, in lower-case hex: without the mask the code could be guessed. */
export function textDigest(maskedText: string): string {
  return createHash("sha256").update(maskedText).digest("hex");
}

/** The JWS header and the claims as they are signed; the order of members is part of the bytes. */
export function receiptParts(facts: ReceiptFacts): { header: string; payload: string } {
  return {
    header: JSON.stringify({ alg: "EdDSA", kid: facts.receiptKeyId, typ: receiptType }),
    payload: JSON.stringify({
      iss: "signature.bank",
      sub: facts.signatureId,
      aud: facts.caller,
      iat: Math.floor(facts.completedAt.getTime() / 1000),
      transaction_digest: facts.transactionDigest,
      channel: facts.channel,
      message_sids: facts.messageSids,
      text_digest: facts.textDigest,
      first_factor: facts.firstFactor,
      chain_head: facts.chainHead,
      chain_length: facts.chainLength,
    }),
  };
}

function signingInput(facts: ReceiptFacts): string {
  const { header, payload } = receiptParts(facts);
  return [header, payload].map((part) => Buffer.from(part).toString("base64url")).join(".");
}

/**
 * Receipts of one key as compact JWS (RFC 7515, 8037). Ed25519 is deterministic: the same facts and key give the
 * same bytes, whoever makes them and whenever. Verified by jose, and not signed by it: its signing goes through Web
 * Crypto's thread pool and takes three times as long.
 * @param keyId the `receiptKeyId` of each
 * @throws Failure SERVICE_UNAVAILABLE
 */
export async function signReceipts(
  signer: Signer,
  keyId: string,
  receipts: readonly ReceiptFacts[],
): Promise<string[]> {
  const inputs = receipts.map(signingInput);
  const signatures = await signer.sign(
    keyId,
    inputs.map((input) => Buffer.from(input)),
  );
  return inputs.map((input, index) => `${input}.${signatures[index]!.toString("base64url")}`);
}

/** A public key of the bank as a JWK (RFC 8037). */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly kid: string;
  readonly alg: "EdDSA";
  readonly use: "sig";
  /** From when on, until when, and since when no more it may sign: seconds since 1970 (as in RFC 7519, 2). */
  readonly nbf?: number;
  readonly exp?: number;
  readonly revoked_at?: number;
}

/** The public keys, 32 bytes by id, of every seed in the ring and of those that retired. */
export function publicKeysOf(ring: ReceiptKeyRing): ReadonlyMap<string, Uint8Array> {
  const live = [...ring.keys].map(([id, seed]) => [id, publicBytesOf(seed)] as const);
  return new Map<string, Uint8Array>([...live, ...(ring.retired ?? [])]);
}

/** The JWK set (RFC 7517) that receipts, seals and checkpoints verify with. */
export function jwks(
  ring: ReceiptKeyRing,
  history: ReadonlyMap<string, KeyHistory> = new Map(),
): { keys: PublicJwk[] } {
  const keys = [...publicKeysOf(ring)].map(([kid, bytes]) => ({
    kty: "OKP" as const,
    crv: "Ed25519" as const,
    x: Buffer.from(bytes).toString("base64url"),
    kid,
    alg: "EdDSA" as const,
    use: "sig" as const,
    ...jwkValidity(validityOf(ring.validity?.get(kid), history.get(kid), ring.retired?.has(kid) ?? false)),
  }));
  return { keys };
}
