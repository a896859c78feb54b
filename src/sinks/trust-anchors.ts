import { X509Certificate } from "node:crypto";

/**
 * The certificates of a PEM file, each of which is trusted.
 * @throws Error where there is none, or one cannot be read
 */
export function trustAnchors(pem: Uint8Array): X509Certificate[] {
  const text = Buffer.from(pem).toString("latin1");
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new Error("there is no PEM certificate");
  return blocks.map((block) => new X509Certificate(block));
}
