import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { secretKey } from "./keys.ts";
import { uuidBytes } from "./uuid.ts";

const nonceBytes = 12;
const tagBytes = 16;

export type SealPurpose = "phone-number-v1" | "transaction-v1";

/**
 * A key of its own for each signature and purpose (HKDF, RFC 5869), so that a random nonce never repeats. As a
 * key object: of a bare key a cipher is made in eight times the time.
 */
function derivedKey(key: Uint8Array, signatureId: string, purpose: SealPurpose): KeyObject {
  const derived = hkdfSync("sha256", secretKey(key), uuidBytes(signatureId), purpose, 32);
  return createSecretKey(new Uint8Array(derived));
}

/**
 * AES-256-GCM with the signature id as associated data: a sealed value cannot be moved to another row.
 * @param nonce 12 random bytes
 * @returns nonce, ciphertext and tag
 */
export function seal(
  key: Uint8Array,
  signatureId: string,
  purpose: SealPurpose,
  text: string,
  nonce: Uint8Array,
): Buffer {
  const cipher = createCipheriv("aes-256-gcm", derivedKey(key, signatureId, purpose), nonce);
  cipher.setAAD(uuidBytes(signatureId));
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error where key, signature or bytes are not those that were sealed */
export function unseal(
  key: Uint8Array,
  signatureId: string,
  purpose: SealPurpose,
  sealed: Uint8Array,
): string {
  const nonce = sealed.subarray(0, nonceBytes);
  // Without a fixed length a shorter tag, which is easier to guess, would do as well.
  const decipher = createDecipheriv("aes-256-gcm", derivedKey(key, signatureId, purpose), nonce, {
    authTagLength: tagBytes,
  });
  decipher.setAAD(uuidBytes(signatureId));
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const body = sealed.subarray(nonceBytes, sealed.length - tagBytes);
  return Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8");
}
