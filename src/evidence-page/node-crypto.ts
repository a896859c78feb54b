import { Buffer } from "./buffer.ts";
import { sha256 } from "./sha-256.ts";

// What the checks use of node:crypto, for a browser. .deploy/evidence-page.ts puts it in that module's place.
// Signatures are judged by WebCrypto, which answers with a promise: the checks await theirs.

interface PublicKey {
  readonly bytes: Uint8Array;
}

export function createHash(_: "sha256") {
  const parts: Uint8Array[] = [];
  const hash = {
    update(content: string | Uint8Array) {
      parts.push(Buffer.from(content));
      return hash;
    },
    digest(encoding?: "hex") {
      const digest = Buffer.from(sha256(Buffer.concat(parts)));
      return encoding === undefined ? digest : digest.toString(encoding);
    },
  };
  return hash;
}

export const createPublicKey = ({ key }: { readonly key: { readonly x: string } }): PublicKey => ({
  bytes: Buffer.from(key.x, "base64url"),
});

/** Ed25519 (RFC 8032). A key that is no point of the curve has signed nothing. */
export async function verify(
  _: null,
  bytes: Uint8Array,
  key: PublicKey,
  signature: Uint8Array,
): Promise<boolean> {
  const { subtle } = globalThis.crypto;
  const imported = await subtle
    .importKey("raw", key.bytes, "Ed25519", false, ["verify"])
    .catch((error: Error) => {
      if (error.name === "DataError") return undefined;
      throw error;
    });
  if (imported === undefined) return false;
  return await subtle.verify("Ed25519", imported, Buffer.from(signature), Buffer.from(bytes));
}

/** The page has no private key. Only functions that it never calls use these. */
function nothingIsSignedHere(): never {
  throw new Error("the page signs nothing");
}

export { nothingIsSignedHere as createPrivateKey, nothingIsSignedHere as sign };

/** Whether this browser judges signatures, shown by test 1 of RFC 8032, 7.1. */
export async function hasEd25519(): Promise<boolean> {
  const x = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
  const signature =
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
  const key = { bytes: Buffer.from(x, "hex") };
  try {
    return await verify(null, Buffer.alloc(0), key, Buffer.from(signature, "hex"));
  } catch {
    return false;
  }
}
