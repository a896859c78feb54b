import type { Environment } from "./environment.ts";
import type { SignatureConfig } from "./signature.ts";
import type { TwilioConfig } from "./twilio.ts";

// Settings that have to fit each other, all of them here. What is not compared does not have to fit: a call that a short
// DRAIN_SECONDS cuts off is handed to another replica at once, and of two limits the tighter one refuses.

/** Milliseconds for statements and a busy process, beside what is waited for. */
const marginMs = 500;
/** Milliseconds that a call waits at most for its turn (resilience/rate.ts) and for a place (resilience/policy.ts). */
const turnMs = 1000;
const placeMs = 1000;
/** Life of a code whose request names none. */
export const defaultTtlMs = 300_000;
/** What must be left of it for a take-over to send (usecases/deliver-challenge.ts). */
const worthSendingMs = 30_000;

/** How far the settling pause may follow what is measured: lease and budget still hold the rest, as they must below. */
export function longestSettleMs({ twilio, signature }: TimingPart): number {
  const { timeoutMs, settleMs, budgetMs, retryDelaysMs, retryUnknown } = twilio;
  const inLeaseMs = signature.leaseMs - placeMs - timeoutMs - marginMs;
  const [firstMs] = retryDelaysMs;
  const isRetried = retryUnknown && firstMs !== undefined;
  const inBudgetMs = isRetried ? budgetMs - timeoutMs - firstMs - placeMs : inLeaseMs;
  return Math.max(settleMs, Math.min(inLeaseMs, inBudgetMs));
}

interface TimingPart {
  readonly twilio: Pick<
    TwilioConfig,
    "timeoutMs" | "settleMs" | "budgetMs" | "retryDelaysMs" | "retryUnknown"
  >;
  readonly signature: Pick<SignatureConfig, "leaseMs">;
}

interface Timing {
  readonly twilio: TwilioConfig;
  readonly signature: SignatureConfig;
}

/** Adds a fault for each pair of settings with which work would be done again and again, or never. */
export function checkTiming(env: Environment, { twilio, signature }: Timing): void {
  const atLeast = (name: string, ms: number, leastMs: number, why: string) => {
    if (ms < leastMs) env.fault(name, `is ${ms / 1000} and must be at least ${seconds(leastMs)}: ${why}`);
  };
  checkLease(env, { twilio, signature }, atLeast);
  checkBudget(twilio, atLeast);

  const { resendCooldownMs, resendMax } = signature;
  if (resendMax > 0 && resendCooldownMs >= defaultTtlMs) {
    env.fault(
      "SIGNATURE_RESEND_SECONDS",
      `is ${resendCooldownMs / 1000} and must be less than ${defaultTtlMs / 1000}, when a code is dead: lower it, or ` +
        `set SIGNATURE_RESEND_MAX (${resendMax}) to 0`,
    );
  }
  const { breaker } = twilio;
  if (breaker !== undefined && breaker.minCalls > breaker.windowCalls) {
    env.fault(
      "TWILIO_BREAKER_MIN_CALLS",
      `is ${breaker.minCalls} and must be at most TWILIO_BREAKER_WINDOW_CALLS (${breaker.windowCalls}): the breaker ` +
        "would never open; lower it, or raise the window",
    );
  }
}

type AtLeast = (name: string, ms: number, leastMs: number, why: string) => void;

/** Each step renews the lease. Between two steps it must not run out, or others take the work over, again and again. */
function checkLease(env: Environment, { twilio, signature }: Timing, atLeast: AtLeast): void {
  const { timeoutMs, settleMs, retryDelaysMs } = twilio;
  const { leaseMs, sweepMs } = signature;
  const name = "SIGNATURE_LEASE_SECONDS";
  const timeout = `TWILIO_TIMEOUT_SECONDS (${timeoutMs / 1000})`;
  const settle = `TWILIO_SETTLE_MS (${settleMs})`;
  atLeast(
    name,
    leaseMs,
    settleMs + placeMs + timeoutMs + marginMs,
    `before a look-up ${settle} goes by, then up to ${placeMs / 1000} s until it has a place, and it takes up to ` +
      `${timeout}; raise the lease, or lower them`,
  );
  if (retryDelaysMs.length > 0) {
    const longestMs = Math.max(...retryDelaysMs);
    const waitMs = placeMs + (twilio.messagesPerSecond > 0 ? turnMs : 0);
    atLeast(
      name,
      leaseMs,
      timeoutMs + longestMs + waitMs + marginMs,
      `a call takes up to ${timeout}, then the longest of TWILIO_RETRY_DELAYS_MS (${longestMs}) goes by, and up to ` +
        `${waitMs / 1000} s until the next call has its turn and a place; raise the lease, or lower them`,
    );
  }
  const afterLeaseMs = sweepMs + settleMs + placeMs + timeoutMs;
  const mostMs = defaultTtlMs - worthSendingMs - afterLeaseMs;
  if (leaseMs > mostMs) {
    env.fault(
      name,
      `is ${leaseMs / 1000} and must be at most ${seconds(mostMs)}: what a crash left is sent again after the lease, ` +
        `SIGNATURE_SWEEP_SECONDS (${sweepMs / 1000}), ${settle} and ${timeout}, and only while a code of ` +
        `${defaultTtlMs / 1000} s has ${worthSendingMs / 1000} s left; lower one of them`,
    );
  }
}

/** A retry that is configured can begin. */
function checkBudget(twilio: TwilioConfig, atLeast: AtLeast): void {
  const { timeoutMs, settleMs, budgetMs, retryDelaysMs, retryUnknown } = twilio;
  const [firstMs] = retryDelaysMs;
  if (firstMs === undefined) return;
  const name = "TWILIO_BUDGET_SECONDS";
  const allMs = retryDelaysMs.reduce((sum, delayMs) => sum + delayMs, 0);
  atLeast(
    name,
    budgetMs,
    allMs,
    `no call begins after it, and the waits of TWILIO_RETRY_DELAYS_MS are ${allMs} ms; raise the budget, or lower them`,
  );
  if (!retryUnknown) return;
  atLeast(
    name,
    budgetMs,
    timeoutMs + settleMs + firstMs,
    `no call begins after it, and one that follows a time-out begins after TWILIO_TIMEOUT_SECONDS ` +
      `(${timeoutMs / 1000}), TWILIO_SETTLE_MS (${settleMs}) and the first of TWILIO_RETRY_DELAYS_MS (${firstMs}); ` +
      "raise the budget, lower them, or set TWILIO_RETRY_UNKNOWN=false",
  );
}

/** Never less than it is, and without the dust of binary fractions. */
function seconds(ms: number): number {
  return Math.ceil(ms - 1e-6) / 1000;
}
