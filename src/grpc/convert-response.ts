import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Challenge, ChallengeStatus, Channel } from "../domain/challenge.ts";
import type { AbortReason, Signature, SignatureStatus } from "../domain/signature.ts";
import { evidenceTypes, type TimelineEvent } from "../domain/timeline.ts";
import type { Warning } from "../domain/warning.ts";
import * as challengePb from "../gen/bank/signature/v1/challenge_pb.ts";
import * as signaturePb from "../gen/bank/signature/v1/signature_pb.ts";
import {
  type GetSignatureResponse,
  GetSignatureResponseSchema,
  Warning as WarningPb,
} from "../gen/bank/signature/v1/signature_service_pb.ts";
import type { SignatureHistory } from "../usecases/get-signature.ts";

const signatureStatusOf = {
  pending: signaturePb.SignatureStatus.PENDING,
  challenge_sent: signaturePb.SignatureStatus.CHALLENGE_SENT,
  completed: signaturePb.SignatureStatus.COMPLETED,
  failed: signaturePb.SignatureStatus.FAILED,
  expired: signaturePb.SignatureStatus.EXPIRED,
  aborted: signaturePb.SignatureStatus.ABORTED,
} satisfies Record<SignatureStatus, signaturePb.SignatureStatus>;

const abortReasonOf = {
  customer_cancelled: signaturePb.AbortReason.CUSTOMER_CANCELLED,
  fraud_suspected: signaturePb.AbortReason.FRAUD_SUSPECTED,
  caller_cancelled: signaturePb.AbortReason.CALLER_CANCELLED,
  operator: signaturePb.AbortReason.OPERATOR,
} satisfies Record<AbortReason, signaturePb.AbortReason>;

const channelOf = {
  sms: challengePb.Channel.SMS,
  voice: challengePb.Channel.VOICE,
  push: challengePb.Channel.PUSH,
} satisfies Record<Channel, challengePb.Channel>;

const challengeStatusOf = {
  pending: challengePb.ChallengeStatus.PENDING,
  sent: challengePb.ChallengeStatus.SENT,
  failed: challengePb.ChallengeStatus.FAILED,
  delivered: challengePb.ChallengeStatus.DELIVERED,
  superseded: challengePb.ChallengeStatus.SUPERSEDED,
  completed: challengePb.ChallengeStatus.COMPLETED,
  expired: challengePb.ChallengeStatus.EXPIRED,
  cancelled: challengePb.ChallengeStatus.CANCELLED,
} satisfies Record<ChallengeStatus, challengePb.ChallengeStatus>;

const warningOf = {
  phone_number_normalised: WarningPb.PHONE_NUMBER_NORMALISED,
  locale_not_understood: WarningPb.LOCALE_NOT_UNDERSTOOD,
  payee_mixed_scripts: WarningPb.PAYEE_MIXED_SCRIPTS,
  description_mixed_scripts: WarningPb.DESCRIPTION_MIXED_SCRIPTS,
  payee_altered: WarningPb.PAYEE_ALTERED,
  description_altered: WarningPb.DESCRIPTION_ALTERED,
} satisfies Record<Warning, WarningPb>;

export function warningMessage(warning: Warning): WarningPb {
  return warningOf[warning];
}

export function signatureMessage(signature: Signature): signaturePb.Signature {
  return create(signaturePb.SignatureSchema, {
    id: signature.id,
    status: signatureStatusOf[signature.status],
    challenge: challengeMessage(signature.challenge),
    transactionDigest: signature.transactionDigest,
    attemptsRemaining: signature.attemptsRemaining,
    createdAt: timestampFromDate(signature.createdAt),
    expiresAt: timestampFromDate(signature.expiresAt),
    ...(signature.closedAt && { closedAt: timestampFromDate(signature.closedAt) }),
    ...(signature.abortReason && { abortReason: abortReasonOf[signature.abortReason] }),
  });
}

/** A signature with all of its challenges, its timeline and its receipt. */
export function historyMessage(history: SignatureHistory): GetSignatureResponse {
  return create(GetSignatureResponseSchema, {
    signature: signatureMessage(history.signature),
    challenges: history.challenges.map(challengeMessage),
    timeline: history.timeline.filter(({ type }) => !evidenceTypes.has(type)).map(timelineMessage),
    receipt: history.receipt,
  });
}

function challengeMessage(challenge: Challenge): challengePb.Challenge {
  return create(challengePb.ChallengeSchema, {
    id: challenge.id,
    channel: channelOf[challenge.channel],
    provider: challenge.provider,
    status: challengeStatusOf[challenge.status],
    maskedDestination: challenge.maskedDestination,
    providerChallengeId: challenge.providerChallengeId ?? "",
    providerProof: challenge.providerProof ?? "",
    createdAt: timestampFromDate(challenge.createdAt),
    ...(challenge.sentAt && { sentAt: timestampFromDate(challenge.sentAt) }),
    ...(challenge.deliveredAt && { deliveredAt: timestampFromDate(challenge.deliveredAt) }),
    expiresAt: timestampFromDate(challenge.expiresAt),
    providerErrorCode: challenge.providerErrorCode ?? "",
    inProgress: challenge.inProgress,
  });
}

function timelineMessage(event: TimelineEvent): MessageInitShape<typeof signaturePb.TimelineEventSchema> {
  return { at: timestampFromDate(event.at), type: event.type, details: { ...event.details } };
}
