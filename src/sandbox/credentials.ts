import type { TwilioError } from "./twilio-error.ts";

/** Who may call: the account with any of its auth tokens, or an API key with its secret. */
export type Credentials = {
  accountSid: string;
  /** Asked at each call, so that tokens can be rotated; the first signs status callbacks. */
  authTokens: () => readonly string[];
  apiKeys: ReadonlyMap<string, string>;
};

/** The 401 that a request earns by its Authorization header, or null where the header is right. */
export function credentialFault(
  authorization: string | undefined,
  pathAccountSid: string,
  credentials: Credentials,
): TwilioError | null {
  const encoded = authorization?.startsWith("Basic ") ? authorization.slice(6) : "";
  const decoded = Buffer.from(encoded, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  const username = decoded.slice(0, Math.max(colon, 0));
  const password = decoded.slice(colon + 1);
  const isAccount = username === credentials.accountSid;
  if (pathAccountSid !== credentials.accountSid) return unauthorized("Authenticate");
  if (!isAccount && !credentials.apiKeys.has(username)) {
    return unauthorized("Authentication Error - invalid username");
  }
  const right = isAccount
    ? credentials.authTokens().includes(password)
    : credentials.apiKeys.get(username) === password;
  return right ? null : unauthorized("Authenticate");
}

function unauthorized(message: string): TwilioError {
  return { status: 401, code: 20003, message };
}
