/** Error codes that are not the provider's own number. */
export const providerErrorWords = ["timeout", "connection", "circuit_open", "unreadable", "other"] as const;

/** Twilio's numbers have five digits; http_<status> stands for an answer without one. */
export const providerErrorForm =
  /^(?:\d{5}|http_[1-5]\d\d|timeout|connection|circuit_open|unreadable|other)$/;

/** The code as it may stand in a label or a line: anything unexpected is `other`. */
export function boundedErrorCode(code: string | undefined): string {
  return code !== undefined && providerErrorForm.test(code) ? code : "other";
}
