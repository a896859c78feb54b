/** The path of PUBLIC_URL that Twilio tells statuses to. */
export const statusCallbackPath = "/twilio/status";

/**
 * Retries at Twilio's side: three, after every fault, where the default is one and only where the
 * connection failed. The fragment is neither sent nor signed
 * (twilio.com/docs/usage/webhooks/webhooks-connection-overrides).
 */
const retries = "#rc=3&rp=all";

/** Names the challenge and the call, so that a receipt settles a call whose answer was lost. */
export function statusCallbackUrl(publicUrl: string, challengeId: string, attempt: number): string {
  const query = new URLSearchParams({ challenge: challengeId, attempt: String(attempt) });
  return `${withoutSlash(publicUrl)}${statusCallbackPath}?${query}${retries}`;
}

/** The address as Twilio signed it: ours, with the query as it was received. */
export function signedUrl(publicUrl: string, search: string): string {
  return `${withoutSlash(publicUrl)}${statusCallbackPath}${search}`;
}

function withoutSlash(url: string): string {
  return url.replace(/(?<!\/)\/+$/, "");
}
