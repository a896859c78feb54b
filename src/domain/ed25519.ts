import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/** PKCS #8 of an Ed25519 key up to its 32-byte seed (RFC 8410). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

// Making a key object costs more than a signature does; seeds live as long as the ring that holds them.
const privateKeys = new WeakMap<Uint8Array, KeyObject>();
const publicKeys = new WeakMap<Uint8Array, KeyObject>();

/** @param seed 32 bytes */
export function privateKeyOf(seed: Uint8Array): KeyObject {
  const known = privateKeys.get(seed);
  if (known !== undefined) return known;
  const der = Buffer.concat([pkcs8Prefix, seed]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  privateKeys.set(seed, key);
  return key;
}

/** The 32 bytes of the public key that belongs to a seed. */
export function publicBytesOf(seed: Uint8Array): Buffer {
  const { x = "" } = createPublicKey(privateKeyOf(seed)).export({ format: "jwk" });
  return Buffer.from(x, "base64url");
}

/** @param bytes the 32 bytes of a public key */
export function publicKeyOf(bytes: Uint8Array): KeyObject {
  const known = publicKeys.get(bytes);
  if (known !== undefined) return known;
  const x = Buffer.from(bytes).toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  publicKeys.set(bytes, key);
  return key;
}

/** 64 bytes, the same for the same seed and bytes (RFC 8032). */
export function signBytes(seed: Uint8Array, bytes: Uint8Array): Buffer {
  return sign(null, bytes, privateKeyOf(seed));
}

export function isSignedBy(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  return verify(null, bytes, publicKeyOf(publicKey), signature);
}
