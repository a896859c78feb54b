import { refusal, type TwilioError } from "./twilio-error.ts";

/** What a create asked for, once it passed Twilio's checks. */
export type CreateParameters = {
  to: string;
  from: string | null;
  messagingServiceSid: string | null;
  body: string;
  /** Seconds. */
  validityPeriod: number;
  statusCallback: string | null;
  provideFeedback: boolean;
  scheduled: boolean;
};

/** What the account owns; an absent list means that every well-formed one is its own. */
export type Account = {
  senders?: readonly string[];
  messagingServices?: readonly string[];
  /** Message Redaction is enabled: reads answer an empty body, and ContentRetention may be set. */
  redactsBodies: boolean;
};

const e164 = /^\+[1-9]\d{6,14}$/;
const messagingService = /^MG[0-9a-fA-F]{32}$/;
const alphanumericSender = /^(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}$/;
const shortCode = /^\d{3,8}$/;
const longestBody = 1600;
const longestCallbackUrl = 4000;
const longestValidityPeriod = 36_000;

/** The numbers of Twilio's own test credentials, with the code each is refused with. */
export const twilioTestNumbers: {
  from: Readonly<Record<string, number>>;
  to: Readonly<Record<string, number>>;
} = {
  from: { "+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611 },
  to: {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
  },
};

/** Checks a create in Twilio's order: To, then the sender, then the text, then the rest. */
export function checkCreate(
  form: URLSearchParams,
  account: Account,
): { parameters: CreateParameters } | { error: TwilioError } {
  const to = form.get("To") ?? "";
  const from = form.get("From") || null;
  const messagingServiceSid = form.get("MessagingServiceSid") || null;
  const body = form.get("Body") ?? "";
  const code =
    destinationFault(to) ??
    senderFault(from, messagingServiceSid, account) ??
    textFault(form, body) ??
    optionFault(form, account);
  if (code !== null) return { error: refusal(code, to, from ?? "") };
  return {
    parameters: {
      to,
      from,
      messagingServiceSid,
      body,
      validityPeriod: Number(form.get("ValidityPeriod") ?? longestValidityPeriod),
      statusCallback: form.get("StatusCallback") || null,
      provideFeedback: form.get("ProvideFeedback") === "true",
      scheduled: form.get("ScheduleType") === "fixed" && form.has("SendAt") && messagingServiceSid !== null,
    },
  };
}

function destinationFault(to: string): number | null {
  if (to === "") return 21604;
  if (!e164.test(to)) return 21211;
  return twilioTestNumbers.to[to] ?? null;
}

function senderFault(from: string | null, service: string | null, account: Account): number | null {
  if (service !== null) {
    if (!messagingService.test(service)) return 21701;
    if (account.messagingServices !== undefined && !account.messagingServices.includes(service)) return 21701;
  }
  if (from === null) return service === null ? 21603 : null;
  const refused = twilioTestNumbers.from[from];
  if (refused !== undefined) return refused;
  if (!e164.test(from) && !shortCode.test(from) && !alphanumericSender.test(from)) return 21212;
  return account.senders === undefined || account.senders.includes(from) ? null : 21660;
}

function textFault(form: URLSearchParams, body: string): number | null {
  if (body === "") return form.has("MediaUrl") || form.has("ContentSid") ? null : 21602;
  return body.length > longestBody && [...body].length > longestBody ? 21617 : null;
}

function optionFault(form: URLSearchParams, account: Account): number | null {
  const validity = form.get("ValidityPeriod");
  if (validity !== null && !(/^\d{1,5}$/.test(validity) && inRange(Number(validity)))) return 21624;
  const callback = form.get("StatusCallback");
  if (callback && !usableCallback(callback)) return 21609;
  if (form.get("ContentRetention") === "discard" && !account.redactsBodies) return 30029;
  if (form.get("AddressRetention") === "obfuscate" && !account.redactsBodies) return 30030;
  return null;
}

function inRange(seconds: number): boolean {
  return seconds >= 1 && seconds <= longestValidityPeriod;
}

/** Twilio takes no callback whose host has an underscore. */
function usableCallback(text: string): boolean {
  if (text.length > longestCallbackUrl || !URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === "http:" || url.protocol === "https:") && !url.hostname.includes("_");
}
