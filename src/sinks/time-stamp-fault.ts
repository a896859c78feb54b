const texts = {
  TSA_REJECTED: "the authority refused the request",
  NOT_A_TOKEN: "it is not a time-stamp token (RFC 3161)",
  WRONG_IMPRINT: "it is over something else than this checkpoint",
  WRONG_NONCE: "it answers another request",
  WRONG_SIGNATURE: "its signature is not that of its certificate",
  WRONG_PURPOSE: "its certificate is not for time stamps alone (critical extended key usage timeStamping)",
  CERTIFICATE_NOT_VALID: "its certificate was not valid at its time",
  FOREIGN_AUTHORITY: "its certificate leads to none of the trusted authorities",
  TOO_EARLY: "its time lies before the end of the day",
} as const;

/** Why a time stamp proves nothing. The code stands in the log. */
export class TimeStampFault extends Error {
  override readonly name = "TimeStampFault";
  readonly code: keyof typeof texts;

  constructor(code: keyof typeof texts) {
    super(texts[code]);
    this.code = code;
  }
}
