import { TwilioDouble, type TwilioDoubleOptions } from "../../src/sandbox/twilio-double.ts";

export const accountSid = `AC${"0123456789abcdef".repeat(2)}`;
export const authToken = "the-auth-token";
export const sender = "+34910000000";

/** A double on a free port, with the account above. */
export function startTwilio(options: Partial<TwilioDoubleOptions> = {}): Promise<TwilioDouble> {
  return TwilioDouble.start({ accountSid, authTokens: () => [authToken], ...options });
}

export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

export type Called = { status: number; headers: Headers; text: string; json: () => Record<string, unknown> };

/** One request to the double with the account's credentials; a path starts below the account. */
export async function call(
  double: TwilioDouble,
  path: string,
  init: { method?: string; form?: Record<string, string>; authorization?: string; signal?: AbortSignal } = {},
): Promise<Called> {
  const { method = "GET", form, authorization = basic(accountSid, authToken), signal } = init;
  const response = await fetch(`${double.url}/Accounts/${accountSid}${path}`, {
    method,
    headers: { Authorization: authorization },
    redirect: "manual",
    ...(form && { body: new URLSearchParams(form) }),
    ...(signal && { signal }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) };
}

/** A create with what every create needs; `form` adds to it or replaces. */
export function create(
  double: TwilioDouble,
  to: string,
  form: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Called> {
  return call(double, "/Messages.json", {
    method: "POST",
    form: { To: to, From: sender, Body: "Your code is 123456", ...form },
    ...(signal && { signal }),
  });
}
