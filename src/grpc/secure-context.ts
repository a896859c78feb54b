import type { SecureContextOptions } from "node:tls";
import type { TlsCertificates } from "./tls-files.ts";

/** TLS 1.3's, and of TLS 1.2 those with forward secrecy and AEAD: the others HTTP/2 prohibits (RFC 9113, App. A). */
const ciphers = [
  ...["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
  ...["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
  ...["ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"],
  ...["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"],
].join(":");

export function secureContext({ cert, key, clientCa }: TlsCertificates): SecureContextOptions {
  return { cert, key, ca: clientCa, minVersion: "TLSv1.2", ciphers };
}
