import type { ProviderErrorDetails, ProviderOutcome } from "../domain/provider.ts";
import { subjectOf } from "./error-codes.ts";
import { dateOf, type HttpAnswer, httpDate, type TransportFailure } from "./transport.ts";

/** What a call that was not accepted did. */
export type Verdict = Omit<ProviderErrorDetails, "provider" | "cause">;

interface Ruling {
  readonly outcome: ProviderOutcome;
  readonly retryable: boolean;
  readonly credentialsRefused?: boolean;
  readonly accountAtFault?: boolean;
}

/** About this destination or text: final for them, and nobody's fault. */
const refused: Ruling = { outcome: "rejected", retryable: false };
/** About our sender, account or address: the same for every call until someone acts, so it alerts. */
const misconfigured: Ruling = { outcome: "not_accepted", retryable: false, accountAtFault: true };
const unauthorized: Ruling = { ...misconfigured, credentialsRefused: true };
const notTaken: Ruling = { outcome: "not_accepted", retryable: true };
const ambiguous: Ruling = { outcome: "unknown", retryable: true };

interface AnswerRow {
  readonly from: number;
  readonly to: number;
  /** Holds only where Twilio's code is known to speak of To or Body. */
  readonly aboutMessage?: true;
  readonly ruling: Ruling;
}

/** By HTTP status and Twilio's code; the first row that fits decides. */
const answers: readonly AnswerRow[] = [
  // Reached only where the body of a 2xx could not be read: Twilio has the message, its SID is not known.
  { from: 200, to: 299, ruling: ambiguous },
  // Redirects are never followed.
  { from: 300, to: 399, ruling: misconfigured },
  { from: 401, to: 401, ruling: unauthorized },
  // "Never processed and always safe to retry" (twilio.com/docs/api/errors/20429).
  { from: 429, to: 429, ruling: notTaken },
  { from: 400, to: 499, aboutMessage: true, ruling: refused },
  // An unknown code is no reason to blame the customer's number.
  { from: 400, to: 499, ruling: misconfigured },
  // "A retry can send the message twice" (twilio.com/docs/api/errors/20500); gateways are no better.
  { from: 500, to: 599, ruling: ambiguous },
];

/** Classifies an answer that is no acceptance: any but a 2xx, or a 2xx that cannot be read. */
export function verdictOfAnswer(answer: HttpAnswer): Verdict {
  const code = twilioCode(answer.body);
  const { status } = answer;
  return {
    ...rulingOf(status, code),
    providerErrorCode: isSuccess(status) ? "unreadable" : (code?.toString() ?? `http_${status}`),
    ...retryAfter(answer),
  };
}

/** Classifies an exchange without a whole answer. Where a head came that refuses, its status decides. */
export function verdictOfFailure(failure: TransportFailure): Verdict {
  const { fault, written, status } = failure;
  if (!written) return { ...notTaken, providerErrorCode: fault };
  if (status === undefined || isSuccess(status)) return { ...ambiguous, providerErrorCode: fault };
  return { ...rulingOf(status, undefined), providerErrorCode: `http_${status}` };
}

function rulingOf(status: number, code: number | undefined): Ruling {
  const row = answers.find(
    ({ from, to, aboutMessage }) => status >= from && status <= to && (!aboutMessage || isAboutMessage(code)),
  );
  return row?.ruling ?? ambiguous;
}

function isAboutMessage(code: number | undefined): boolean {
  return code !== undefined && subjectOf(code) === "message";
}

/** What a message that Twilio took, and called failed in the same answer, was refused for. */
export function verdictOfDeadMessage(errorCode: number | undefined): Verdict {
  const providerErrorCode = errorCode === undefined ? "other" : String(errorCode);
  if (isAboutMessage(errorCode)) return { ...refused, providerErrorCode };
  const accountAtFault = errorCode !== undefined && subjectOf(errorCode) === "account";
  // Not made again here: the failed message stands in the list, and a look-up would take it for the next one's.
  return { outcome: "not_accepted", retryable: false, providerErrorCode, accountAtFault };
}

/**
 * Classifies the answer to what is done to a message afterwards: a 400 speaks of that message, whatever its
 * code, since our account and credentials are refused with 401 and 403.
 */
export function verdictOfUpkeep(answer: HttpAnswer): Verdict {
  const verdict = verdictOfAnswer(answer);
  const { providerErrorCode } = verdict;
  return answer.status === 400 ? { ...refused, providerErrorCode } : verdict;
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

/** Twilio's number in `{"code":21211,…}`; undefined for anything else, such as a gateway's HTML. */
function twilioCode(body: string): number | undefined {
  try {
    const code: unknown = JSON.parse(body)?.code;
    return typeof code === "number" && Number.isInteger(code) && code > 0 && code < 1e6 ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Retry-After in seconds or as a date (RFC 9110, 10.2.3); a date counts from the answer's own Date. */
function retryAfter(answer: HttpAnswer): { retryAfterMs?: number } {
  const { status, headers } = answer;
  const value = headers["retry-after"]?.trim() ?? "";
  if (value === "" || (status !== 429 && status < 500)) return {};
  if (/^\d{1,9}$/.test(value)) return { retryAfterMs: Number(value) * 1000 };
  const from = dateOf(answer)?.getTime();
  const until = httpDate(value)?.getTime();
  return from === undefined || until === undefined ? {} : { retryAfterMs: Math.max(until - from, 0) };
}
