/** What Twilio answers instead of doing what was asked. `message` is Twilio's wording where it is known. */
export type TwilioError = { status: number; code: number; message: string };

/** Codes a create is refused with, all with HTTP 400 (twilio.com/docs/api/errors). */
const refusals: Record<number, (to: string, from: string) => string> = {
  21211: (to) => `Invalid 'To' Phone Number: ${masked(to)}`,
  21212: (_to, from) => `Invalid From Number (caller ID): ${from}`,
  21267: (_to, from) =>
    `Alphanumeric Sender ID cannot be used as the 'From' number on trial accounts: ${from}`,
  21408: (to) =>
    `Permission to send an SMS has not been enabled for the region indicated by the 'To' number: ${masked(to)}`,
  21602: () => "Message body is required.",
  21603: () => "A 'From' phone number is required.",
  21604: () => "A 'To' phone number is required.",
  21606: (_to, from) =>
    `The 'From' phone number provided (${from}) is not a valid message-capable Twilio phone number for this destination.`,
  21608: (to) =>
    `The number ${masked(to)} is unverified. Trial accounts cannot send messages to unverified numbers.`,
  21609: () => "Invalid 'StatusCallback' URL",
  21610: () => "Attempt to send to unsubscribed recipient",
  21611: (_to, from) => `This 'From' number has exceeded the maximum number of queued messages: ${from}`,
  21612: (to) =>
    `Message cannot be sent with the current combination of 'To' (${masked(to)}) and 'From' parameters`,
  21614: (to) => `'To' number is not a valid mobile number: ${masked(to)}`,
  21617: () => "The concatenated message body exceeds the 1600 character limit",
  21624: () => "Invalid validity period value",
  21635: (to) => `'To' number cannot be a landline: ${masked(to)}`,
  21659: (_to, from) => `'From' ${from} is not a Twilio phone number or Short Code country mismatch`,
  21660: (_to, from) => `Mismatch between the 'From' number ${from} and the account`,
  21661: (_to, from) => `'From' number ${from} is not SMS-capable`,
  21701: () => "The Messaging Service does not exist",
  21703: () => "The Messaging Service does not have a phone number available to send a message",
  21704: () => "The Messaging Service contains no phone numbers",
  30029: () => "Invalid ContentRetention: Message Redaction is not enabled on this account",
  30030: () => "Invalid AddressRetention: Message Redaction is not enabled on this account",
  90010: () => "Account is not active",
};

/** A refusal of a create by its code; codes outside the table get a plain wording. */
export function refusal(code: number, to = "", from = ""): TwilioError {
  return { status: 400, code, message: refusals[code]?.(to, from) ?? `Request refused with code ${code}` };
}

const general: Record<number, { code: number; message: string }> = {
  400: { code: 20001, message: "Bad request" },
  401: { code: 20003, message: "Authenticate" },
  403: { code: 20006, message: "Access Denied" },
  404: { code: 20404, message: "The requested resource was not found" },
  405: { code: 20004, message: "Method not allowed" },
  429: { code: 20429, message: "Too Many Requests" },
  500: { code: 20500, message: "Internal Server Error" },
  503: { code: 20503, message: "Service Unavailable" },
};

/** The error Twilio gives with an HTTP status when nothing more particular applies. */
export function statusError(status: number, code?: number): TwilioError {
  const known = general[status] ?? { code: 20500, message: `HTTP ${status}` };
  return { status, code: code ?? known.code, message: known.message };
}

export function notFound(path: string): TwilioError {
  return { status: 404, code: 20404, message: `The requested resource ${path} was not found` };
}

export function errorBody({ code, message, status }: TwilioError): string {
  return JSON.stringify({ code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status });
}

/** Twilio's messages hide the last four digits. */
function masked(number: string): string {
  return number.length > 4 ? `${number.slice(0, -4)}XXXX` : number;
}
