import canonicalize from "canonicalize";
import { keyedDigest } from "./keys.ts";

/**
 * A keyed digest of what a request asks for, the same for the same content in another form: field order,
 * map order and Unicode form do not matter. It covers customer and phone number, so it is never unkeyed.
 */
export function requestFingerprint(
  key: Uint8Array,
  content: Readonly<Record<string, string | number>>,
): Buffer {
  return keyedDigest(key, "request-fingerprint-v1", canonicalize(content) as string);
}
