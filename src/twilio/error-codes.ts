/** What one of Twilio's error codes speaks of; `account` is ours: the account, its sender or its settings. */
export type CodeSubject = "message" | "transit" | "account";

/**
 * The codes that speak of one message only, of its To or its Body (twilio.com/docs/api/errors). Answers to a
 * create and the ErrorCode of status callbacks are judged by this one list; a code that is not in it is ours.
 */
export const messageCodes = {
  21211: "To is no phone number",
  21214: "To cannot be reached",
  21217: "To does not appear to be valid",
  21265: "To is a short code",
  21408: "the region of To is not enabled",
  21604: "To is missing",
  21610: "the recipient opted out",
  21612: "To cannot be reached from this sender",
  21614: "To is no mobile number",
  21635: "To is a landline",
  30003: "handset unreachable",
  30004: "blocked by the recipient or the carrier",
  30005: "unknown handset",
  30006: "landline or unreachable carrier",
  30450: "blocked: the range of To looks like SMS pumping",
  30453: "blocked for hours: the range of To looks like SMS pumping",
  21602: "Body is missing",
  21605: "Body is longer than 160 characters",
  21617: "Body is longer than 1600 characters",
  21618: "Body cannot be sent",
  21619: "neither Body nor media",
  30007: "Body filtered by the carrier",
  30019: "Body is longer than the carrier takes",
  30038: "Body filtered: a one-time code",
} as const;

/** Failures on the way that pass by themselves; only receipts bring them. */
export const transitCodes = {
  30008: "unknown error",
  30017: "carrier congestion",
  30020: "Twilio's scheduling failed",
  30021: "Twilio's messaging service failed",
  30036: "ValidityPeriod ended in the queue",
  30410: "the carrier did not answer in time",
  30500: "Twilio's internal error",
} as const;

export function subjectOf(code: number): CodeSubject {
  if (Object.hasOwn(messageCodes, code)) return "message";
  return Object.hasOwn(transitCodes, code) ? "transit" : "account";
}
