import type { ProviderErrorDetails, ProviderOutcome } from "../domain/provider.ts";
import { dateOf, type HttpAnswer, httpDate, type TransportFailure } from "./transport.ts";

/** What a call that was not accepted did. */
export type Verdict = Omit<ProviderErrorDetails, "provider" | "cause">;

interface Ruling {
  readonly outcome: ProviderOutcome;
  readonly retryable: boolean;
  readonly credentialsRefused?: boolean;
}

/** About this destination or text: final for them, and nobody's fault. */
const refused: Ruling = { outcome: "rejected", retryable: false };
/** About our sender, account or address: the same for every call until someone acts, so it alerts. */
const misconfigured: Ruling = { outcome: "not_accepted", retryable: false };
const unauthorized: Ruling = { outcome: "not_accepted", retryable: false, credentialsRefused: true };
const notTaken: Ruling = { outcome: "not_accepted", retryable: true };
const ambiguous: Ruling = { outcome: "unknown", retryable: true };

/**
 * Codes that come with a 400 and name our sender or account (twilio.com/docs/api/errors). The other
 * codes of a create name To or Body: 21211, 21214, 21217, 21265, 21408, 21602, 21604, 21610, 21612,
 * 21614, 21617, 21619, 21635.
 */
const accountCodes: ReadonlySet<number> = new Set([
  20003, 20005, 20006, 20008, 21212, 21603, 21606, 21608, 21609, 21611, 21701, 21703, 21705, 30029, 30030,
]);

interface AnswerRow {
  readonly from: number;
  readonly to: number;
  readonly codes?: ReadonlySet<number>;
  readonly ruling: Ruling;
}

/** By HTTP status and Twilio's code; the first row that fits decides. */
const answers: readonly AnswerRow[] = [
  // Reached only where the body of a 2xx could not be read: Twilio has the message, its SID is not known.
  { from: 200, to: 299, ruling: ambiguous },
  // Redirects are never followed.
  { from: 300, to: 399, ruling: misconfigured },
  { from: 401, to: 401, ruling: unauthorized },
  { from: 403, to: 404, ruling: misconfigured },
  // "Never processed and always safe to retry" (twilio.com/docs/api/errors/20429).
  { from: 429, to: 429, ruling: notTaken },
  { from: 400, to: 499, codes: accountCodes, ruling: misconfigured },
  { from: 400, to: 499, ruling: refused },
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
    ({ from, to, codes }) =>
      status >= from && status <= to && (codes === undefined || (code !== undefined && codes.has(code))),
  );
  return row?.ruling ?? ambiguous;
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
