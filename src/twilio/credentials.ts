/** What calls are signed and callbacks are verified with. An immutable snapshot; exactly one sender is set. */
export interface TwilioCredentials {
  readonly accountSid: string;
  /** Verifies callbacks, and signs REST calls where there is no API key. */
  readonly authToken: string;
  /** Still accepted in callbacks while a promotion of the auth token settles. */
  readonly authTokenPrevious?: string;
  /** Signs REST calls; together with its secret. */
  readonly apiKeySid?: string;
  readonly apiKeySecret?: string;
  /** A number in E.164, a short code or an alphanumeric sender. */
  readonly fromNumber?: string;
  readonly messagingServiceSid?: string;
}

export interface CredentialFault {
  readonly field: keyof TwilioCredentials;
  /** Never holds the value. */
  readonly description: string;
}

const forms: Record<keyof TwilioCredentials, { pattern: RegExp; description: string }> = {
  accountSid: { pattern: /^AC[0-9a-fA-F]{32}$/, description: "must be AC and 32 hexadecimal digits" },
  authToken: { pattern: /^[\x21-\x7e]+$/, description: "must be printable ASCII without spaces" },
  authTokenPrevious: { pattern: /^[\x21-\x7e]+$/, description: "must be printable ASCII without spaces" },
  apiKeySid: { pattern: /^SK[0-9a-fA-F]{32}$/, description: "must be SK and 32 hexadecimal digits" },
  apiKeySecret: { pattern: /^[\x21-\x7e]+$/, description: "must be printable ASCII without spaces" },
  fromNumber: {
    // An alphanumeric sender has at most 11 characters and a letter among them.
    pattern: /^(?:\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 &_+-]{0,10})$/,
    description: "must be an E.164 number, a short code or an alphanumeric sender of at most 11 characters",
  },
  messagingServiceSid: {
    pattern: /^MG[0-9a-fA-F]{32}$/,
    description: "must be MG and 32 hexadecimal digits",
  },
};

const fields = Object.keys(forms) as (keyof TwilioCredentials)[];

/**
 * Checks and trims credentials: a space or line break around a SID earns a 401 that explains nothing.
 * An empty value counts as absent.
 */
export function validateCredentials(
  raw: Partial<Record<keyof TwilioCredentials, string | undefined>>,
): { credentials: TwilioCredentials } | { faults: CredentialFault[] } {
  const faults: CredentialFault[] = [];
  const values: Partial<Record<keyof TwilioCredentials, string>> = {};
  for (const field of fields) {
    const value = raw[field]?.trim() ?? "";
    if (value === "") continue;
    if (!forms[field].pattern.test(value)) faults.push({ field, description: forms[field].description });
    values[field] = value;
  }
  const required = (field: keyof TwilioCredentials, description: string) => {
    if (values[field] === undefined) faults.push({ field, description });
  };
  required("accountSid", "is required");
  required("authToken", "is required");
  if (values.apiKeySecret !== undefined) required("apiKeySid", "is required with an API key secret");
  if (values.apiKeySid !== undefined) required("apiKeySecret", "is required with an API key");
  if (values.messagingServiceSid === undefined) {
    required("fromNumber", "is required where there is no messaging service");
  } else if (values.fromNumber !== undefined) {
    faults.push({ field: "fromNumber", description: "must be left out where there is a messaging service" });
  }
  if (faults.length > 0) return { faults };
  return { credentials: Object.freeze({ ...(values as TwilioCredentials) }) };
}

/** User and password of HTTP Basic for REST calls. */
export function basicAuthorization(credentials: TwilioCredentials): string {
  const { accountSid, authToken, apiKeySid, apiKeySecret } = credentials;
  const pair =
    apiKeySid !== undefined && apiKeySecret !== undefined
      ? `${apiKeySid}:${apiKeySecret}`
      : `${accountSid}:${authToken}`;
  return `Basic ${Buffer.from(pair).toString("base64")}`;
}
