import { validateRequest, validateRequestWithBody } from "twilio/lib/webhooks/webhooks.js";

export interface SignedRequest {
  /** X-Twilio-Signature as node:http gives it. */
  readonly signature: string | string[] | undefined;
  /** Absolute, as Twilio requested it: scheme, host, path and query. */
  readonly url: string;
  /** The raw body: a form, or anything else where the URL carries its digest (bodySHA256). */
  readonly body: string;
}

/**
 * Whether Twilio signed a request with one of these auth tokens. All received parameters count, since
 * Twilio adds new ones without notice. False in every doubt.
 */
export function isSignedByTwilio(authTokens: readonly string[], request: SignedRequest): boolean {
  const { signature, url, body } = request;
  if (typeof signature !== "string" || signature === "" || !URL.canParse(url)) return false;
  const isJson = new URL(url).searchParams.has("bodySHA256");
  const params = isJson ? {} : formParams(body);
  return authTokens.some((token) => {
    // The validator takes an empty token for a key: whoever knows that signs what they like.
    if (token === "") return false;
    return isJson
      ? validateRequestWithBody(token, signature, url, body)
      : validateRequest(token, signature, url, params);
  });
}

/** Whether it has the form of one at all: an HMAC-SHA1 in base64. */
export function mayBeSignature(signature: SignedRequest["signature"]): boolean {
  return typeof signature === "string" && /^[A-Za-z0-9+/]{27}=$/.test(signature);
}

/** Decoded parameters; a repeated one as an array. Without a prototype: `__proto__` is a name like any other. */
export function formParams(body: string): Record<string, string | string[]> {
  const params: Record<string, string | string[]> = Object.create(null);
  for (const [name, value] of new URLSearchParams(body)) {
    const before = params[name];
    // Added in place: copies of a name that is there 8000 times would take half a second, signed or not.
    if (Array.isArray(before)) before.push(value);
    else params[name] = before === undefined ? value : [before, value];
  }
  return params;
}
