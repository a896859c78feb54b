import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";
import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { DeliveryEnd } from "./delivery-run.ts";
import type { SignatureChanges } from "./signature-changes.ts";

interface Deps {
  readonly clock: Clock;
  readonly reader: SignatureReader;
  readonly changes: SignatureChanges;
}

/** Ends the wait; a signal that fires without a reason makes an error with a stack for each call. */
const answered = new Error("the delivery has ended");

/** Nearly every call ends sooner; whoever still waits after these ms looks for a receipt, too. */
const receiptsAfterMs = 1000;

/**
 * What a caller is told who waits for a delivery: its end, or, when the wait is over, that it goes on. A
 * message that a receipt shows to be sent is told at once, though the call for it may still hang.
 * @throws Failure PROVIDER_REJECTED, PROVIDER_UNAVAILABLE or RATE_LIMITED, once that is committed
 */
export async function answer(
  deps: Deps,
  caller: string,
  signature: Signature,
  delivery: Promise<DeliveryEnd>,
  waitMs: number,
): Promise<Signature> {
  const waited = new AbortController();
  const over = reported(deps, caller, signature, Math.max(0, waitMs), waited.signal).catch(() => undefined);
  const end = await Promise.race([delivery, over]);
  waited.abort(answered);
  switch (end?.end) {
    case "accepted":
      return end.signature;
    case "refused":
      throw rejected(end.signature, end.errorCode);
    case "given_up":
      throw unavailable(
        end.signature,
        end.error.providerErrorCode,
        end.error.retryAfterMs,
        end.error.rateLimited,
      );
    default:
      // Still under way, or settled by somebody else: the state as it is now, if it can be read.
      return (await deps.reader.get(caller, signature.id).catch(() => undefined)) ?? signature;
  }
}

/** Waits, and ends early once the provider is known to have the message. */
async function reported(
  { clock, reader, changes }: Deps,
  caller: string,
  signature: Signature,
  waitMs: number,
  signal: AbortSignal,
): Promise<DeliveryEnd | undefined> {
  const quietMs = Math.min(waitMs, receiptsAfterMs);
  await clock.sleep(quietMs, signal);
  const over = clock.sleep(waitMs - quietMs, signal).then(() => undefined);
  const sent = async (): Promise<DeliveryEnd | undefined> => {
    for (let now = signature; ; ) {
      await changes.next(signature.id, now.version, signal);
      signal.throwIfAborted();
      now = (await reader.get(caller, signature.id)) ?? now;
      const { id, providerChallengeId } = now.challenge;
      if (id === signature.challenge.id && providerChallengeId !== undefined)
        return { end: "accepted", signature: now };
      // Nothing is left to tell but the end of the delivery.
      if (now.closedAt !== undefined) return await over;
    }
  };
  // A database that is away is waited for like a silent provider.
  return await Promise.race([over, sent().catch(() => over)]);
}

/** The provider refused this destination or text for good; the signature stays open. */
export function rejected(signature: Signature, errorCode: string): Failure {
  return new Failure("PROVIDER_REJECTED", "the provider refused the message", {
    metadata: providerMetadata(signature, errorCode),
  });
}

/** Certainly nothing was sent. */
export function unavailable(
  signature: Signature,
  errorCode: string,
  retryAfterMs: number | undefined,
  rateLimited = false,
): Failure {
  const metadata = providerMetadata(signature, errorCode);
  return rateLimited
    ? new Failure("RATE_LIMITED", "too many messages at once", {
        metadata: { ...metadata, limit: "provider" },
        retryAfterMs: retryAfterMs ?? 1000,
      })
    : new Failure("PROVIDER_UNAVAILABLE", "the provider took no message", {
        metadata,
        retryAfterMs: retryAfterMs ?? 1000,
      });
}

function providerMetadata(signature: Signature, errorCode: string): Record<string, string> {
  return {
    provider: signature.challenge.provider,
    provider_error_code: errorCode,
    signature_id: signature.id,
    challenge_id: signature.challenge.id,
  };
}
