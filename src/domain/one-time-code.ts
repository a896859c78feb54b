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

/**
 * The six digits of a signature: first 8 bytes, big-endian, mod 10^6, of HMAC-SHA-256 under the pepper.
 * 2^64 is no multiple of 10^6; the bias, below 6·10^-14, is of no use to anyone.
 */
export function oneTimeCode(pepper: Uint8Array, binding: CodeBinding): string {
  const mac = createHmac("sha256", secretKey(pepper))
    .update(label)
    .update(binding.nonce)
    .update(uuidBytes(binding.signatureId))
    .update(binding.transactionDigest)
    .digest();
  return (mac.readBigUInt64BE(0) % 1_000_000n).toString().padStart(6, "0");
}

/** Six ASCII digits: anything else is a malformed request, not a wrong code. */
export function isCode(value: string): boolean {
  return /^[0-9]{6}$/.test(value);
}

/** Compares two codes of six digits in constant time. */
export function codesMatch(expected: string, entered: string): boolean {
  return timingSafeEqual(Buffer.from(expected), Buffer.from(entered));
}
