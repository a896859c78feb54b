import { createHmac, timingSafeEqual } from "node:crypto";
import { secretKey } from "./keys.ts";
import { uuidBytes } from "./uuid.ts";

const label = Buffer.from("signature-code-v1");

export interface CodeBinding {
  readonly signatureId: string;
  /** 32 random bytes, made once per signature. */
  readonly nonce: Uint8Array;
  /** 32 bytes; another amount or payee gives another code (PSD2 RTS Art. 5). */
  readonly transactionDigest: Uint8Array;
}

/** What the HMAC of a code is made over. */
export function codeInput({ nonce, signatureId, transactionDigest }: CodeBinding): Buffer {
  return Buffer.concat([label, nonce, uuidBytes(signatureId), transactionDigest]);
}

/**
 * The six digits of a signature: first 8 bytes, big-endian, mod 10^6, of HMAC-SHA-256 under the pepper.
 * 2^64 is no multiple of 10^6; the bias, below 6·10^-14, is of no use to anyone.
 */
export function codeOf(mac: Buffer): string {
  return (mac.readBigUInt64BE(0) % 1_000_000n).toString().padStart(6, "0");
}

/** The code by a pepper that is at hand. */
export function oneTimeCode(pepper: Uint8Array, binding: CodeBinding): string {
  return codeOf(createHmac("sha256", secretKey(pepper)).update(codeInput(binding)).digest());
}

/** Six ASCII digits: anything else is a malformed request, not a wrong code. */
export function isCode(value: string): boolean {
  return /^[0-9]{6}$/.test(value);
}

/** Compares two codes of six digits in constant time. */
export function codesMatch(expected: string, entered: string): boolean {
  return timingSafeEqual(Buffer.from(expected), Buffer.from(entered));
}
