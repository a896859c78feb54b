import { createHmac } from "node:crypto";

/**
 * X-Twilio-Signature of a form POST: base64 of HMAC-SHA1 over the URL and, sorted by name in
 * code-unit order, each name and value, with nothing between them.
 * Source: twilio.com/docs/usage/security and the SDK's own test vectors.
 * @param url exactly as requested, without the fragment
 */
export function webhookSignature(
  authToken: string,
  url: string,
  params: ReadonlyMap<string, string>,
): string {
  const names = [...params.keys()].sort();
  const signed = names.reduce((text, name) => text + name + params.get(name), url);
  return createHmac("sha1", authToken).update(signed, "utf8").digest("base64");
}
