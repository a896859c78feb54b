import type { Challenge } from "../domain/challenge.ts";
import { type Comparison, compareWithEvents } from "../domain/event-comparison.ts";
import type { EvidencePack } from "../domain/evidence-pack.ts";
import type { RecordedSignature } from "../domain/evidence-store.ts";
import { textDigest } from "../domain/receipt.ts";

/** What rows say of a signature, in the form of a pack. */
export function recordedSummary(recorded: RecordedSignature): EvidencePack["signature"] {
  return {
    id: recorded.signatureId,
    caller: recorded.caller,
    status: recorded.status,
    created_at: recorded.createdAt.toISOString(),
    expires_at: recorded.expiresAt.toISOString(),
    closed_at: recorded.closedAt?.toISOString() ?? null,
    abort_reason: recorded.abortReason ?? null,
    attempts_remaining: recorded.attemptsRemaining,
    first_factor: recorded.firstFactor,
    locale: recorded.locale,
    transaction_digest: recorded.transactionDigest,
  };
}

/** What the row of a challenge says of it, in the form of a pack; its text is made again elsewhere. */
export function recordedChallenge(
  challenge: Challenge,
  calls: number,
): Omit<EvidencePack["challenges"][number], "text"> {
  return {
    id: challenge.id,
    channel: challenge.channel,
    provider: challenge.provider,
    status: challenge.status,
    masked_destination: challenge.maskedDestination,
    message_sid: challenge.providerChallengeId ?? null,
    provider_proof: challenge.providerProof ?? null,
    provider_error_code: challenge.providerErrorCode ?? null,
    calls,
    created_at: challenge.createdAt.toISOString(),
    sent_at: challenge.sentAt?.toISOString() ?? null,
    delivered_at: challenge.deliveredAt?.toISOString() ?? null,
  };
}

/** Compares the rows of a signature with its events. */
export function compareRows(recorded: RecordedSignature): Comparison {
  return compareWithEvents(
    {
      signature: recordedSummary(recorded),
      challenges: recorded.challenges.map(({ challenge, calls }) => recordedChallenge(challenge, calls)),
      provider_receipts: recorded.providerReceipts.map((report) => ({
        challenge_id: report.challengeId,
        received_at: report.receivedAt.toISOString(),
        proof: report.proof,
        parameters_digest: textDigest(report.parameters),
      })),
    },
    recorded.events.map(({ at, type, details }) => ({ at: at.toISOString(), type, details })),
  );
}
