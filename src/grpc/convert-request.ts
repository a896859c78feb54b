import type { Duration } from "@bufbuild/protobuf/wkt";
import type { Channel } from "../domain/challenge.ts";
import { countedCustomerId } from "../domain/customer-id.ts";
import { Faults } from "../domain/faults.ts";
import { canonicalLocale, longestLocale } from "../domain/locale.ts";
import { isCode } from "../domain/one-time-code.ts";
import { personalData } from "../domain/personal-data.ts";
import { parsePhoneNumber, refuseUnreachable } from "../domain/phone-number.ts";
import { judgeText } from "../domain/shown-text.ts";
import type { AbortReason } from "../domain/signature.ts";
import { parseTransaction, type Transaction } from "../domain/transaction.ts";
import { parseUuid } from "../domain/uuid.ts";
import type { Warning } from "../domain/warning.ts";
import * as challenge from "../gen/bank/signature/v1/challenge_pb.ts";
import * as signature from "../gen/bank/signature/v1/signature_pb.ts";
import type {
  AbortSignatureRequest,
  CompleteSignatureRequest,
  GetSignatureRequest,
  SendChallengeRequest,
  StartSignatureRequest,
  WatchSignatureRequest,
} from "../gen/bank/signature/v1/signature_service_pb.ts";
import type * as transaction from "../gen/bank/signature/v1/transaction_pb.ts";
import type { AbortSignatureCommand } from "../usecases/abort-signature.ts";
import type { CompleteSignatureCommand } from "../usecases/complete-signature.ts";
import type { GetSignatureQuery } from "../usecases/get-signature.ts";
import type { SendChallengeCommand } from "../usecases/send-challenge.ts";
import type { StartSignatureCommand } from "../usecases/start-signature-command.ts";

// Every function here collects all faults of its request and throws them as one Failure INVALID_REQUEST.
// A fault names the field and the rule, never the value. What a fault leaves undefined is never used: the
// assertions stand after refuseIfAny.

/** @param defaultTtlMs life of a signature whose request names none */
export function startCommand(
  request: StartSignatureRequest,
  caller: string,
  defaultTtlMs: number,
): StartSignatureCommand {
  const faults = new Faults();
  const warnings: Warning[] = [];
  const idempotencyKey = parseIdempotencyKey(faults, request.idempotencyKey);
  const customerId = faults.text("customer_id", request.customerId, 1, 128);
  if (customerId !== "" && countedCustomerId(customerId) === "") {
    faults.add("customer_id", "must have a visible character");
  }
  const phoneNumber = parsePhoneNumber(faults, "phone_number", request.phoneNumber);
  if (request.transaction === undefined) faults.add("transaction", "is required");
  const signed = request.transaction && toTransaction(faults, request.transaction);
  const channel = parseChannel(faults, request.channel);
  if (phoneNumber !== undefined) {
    refuseUnreachable(faults, "phone_number", phoneNumber, channel);
    if (phoneNumber.e164 !== request.phoneNumber) warnings.push("phone_number_normalised");
  }
  const locale = parseLocale(faults, warnings, request.locale);
  const ttlMs = request.ttl === undefined ? defaultTtlMs : parseTtl(faults, request.ttl);
  const firstFactor = faults.text("first_factor", request.firstFactor, 0, 128);
  faults.refuseIfAny();
  warnings.push(...textWarnings(signed!));
  return {
    caller,
    idempotencyKey,
    customerId,
    phoneNumber: phoneNumber!,
    transaction: signed!,
    channel,
    locale,
    ttlMs,
    firstFactor,
    warnings,
  };
}

function textWarnings({ payee, description }: Transaction): Warning[] {
  const [name, about] = [judgeText(payee), judgeText(description)];
  return [
    ...(name.mixedScripts ? (["payee_mixed_scripts"] as const) : []),
    ...(name.altered ? (["payee_altered"] as const) : []),
    ...(about.mixedScripts ? (["description_mixed_scripts"] as const) : []),
    ...(about.altered ? (["description_altered"] as const) : []),
  ];
}

export function sendCommand(request: SendChallengeRequest, caller: string): SendChallengeCommand {
  const faults = new Faults();
  const signatureId = parseSignatureId(faults, request.signatureId);
  const channel = parseChannel(faults, request.channel);
  const idempotencyKey = parseIdempotencyKey(faults, request.idempotencyKey);
  faults.refuseIfAny();
  return { caller, signatureId, channel, idempotencyKey };
}

export function completeCommand(request: CompleteSignatureRequest, caller: string): CompleteSignatureCommand {
  const faults = new Faults();
  const signatureId = parseSignatureId(faults, request.signatureId);
  if (request.code === "") faults.add("code", "is required");
  else if (!isCode(request.code)) faults.add("code", "must be six ASCII digits");
  const signed = request.transaction && toTransaction(faults, request.transaction);
  faults.refuseIfAny();
  return { caller, signatureId, code: request.code, transaction: signed };
}

export function abortCommand(request: AbortSignatureRequest, caller: string): AbortSignatureCommand {
  const faults = new Faults();
  const signatureId = parseSignatureId(faults, request.signatureId);
  const reason = parseAbortReason(faults, request.reason);
  const note = faults.text("note", request.note, 0, 280);
  const personal = personalData(note);
  if (personal !== undefined) faults.add("note", `must hold no personal data: it has ${personal}`);
  faults.refuseIfAny();
  return { caller, signatureId, reason, note };
}

/** Of GetSignature and of WatchSignature. */
export function signatureQuery(
  request: GetSignatureRequest | WatchSignatureRequest,
  caller: string,
): GetSignatureQuery {
  const faults = new Faults();
  const signatureId = parseSignatureId(faults, request.signatureId);
  faults.refuseIfAny();
  return { caller, signatureId };
}

function parseIdempotencyKey(faults: Faults, value: string): string {
  if (value === "") faults.add("idempotency_key", "is required");
  else if (!/^[\x21-\x7e]{1,128}$/.test(value)) {
    faults.add("idempotency_key", "must be 1 to 128 visible ASCII characters");
  }
  return value;
}

function parseSignatureId(faults: Faults, value: string): string {
  const uuid = parseUuid(value);
  if (uuid === undefined) faults.add("signature_id", value === "" ? "is required" : "must be a UUID");
  return uuid ?? "";
}

// One more than the domain allows, so that it still refuses them, but never a fault for each of thousands.
const mostAttributesRead = 21;

function toTransaction(faults: Faults, raw: transaction.Transaction): Transaction {
  const { type, amount, payee, payeeAccount, reference, description } = raw;
  return parseTransaction(
    faults,
    "transaction",
    {
      type,
      amount: amount && { currencyCode: amount.currencyCode, units: amount.units, nanos: amount.nanos },
      payee,
      payeeAccount,
      reference,
      description,
      attributes: new Map(Object.entries(raw.attributes).slice(0, mostAttributesRead)),
    },
    new Date(),
  );
}

const channelOf = new Map<number, Channel>([
  [challenge.Channel.SMS, "sms"],
  [challenge.Channel.VOICE, "voice"],
  [challenge.Channel.PUSH, "push"],
]);

function parseChannel(faults: Faults, value: number): Channel | undefined {
  if (value === challenge.Channel.UNSPECIFIED) return undefined;
  const channel = channelOf.get(value);
  if (channel === undefined) faults.add("channel", "must be a known channel");
  return channel;
}

const abortReasonOf = new Map<number, AbortReason>([
  [signature.AbortReason.CUSTOMER_CANCELLED, "customer_cancelled"],
  [signature.AbortReason.FRAUD_SUSPECTED, "fraud_suspected"],
  [signature.AbortReason.CALLER_CANCELLED, "caller_cancelled"],
  [signature.AbortReason.OPERATOR, "operator"],
]);

function parseAbortReason(faults: Faults, value: number): AbortReason | undefined {
  if (value === signature.AbortReason.UNSPECIFIED) return undefined;
  const reason = abortReasonOf.get(value);
  if (reason === undefined) faults.add("reason", "must be a known reason");
  return reason;
}

/** A hint: what is no tag gets the default language, with a warning, and only an endless one is refused. */
function parseLocale(faults: Faults, warnings: Warning[], value: string): string {
  if (value === "") return "";
  if (value.length > longestLocale) {
    faults.add("locale", `must have at most ${longestLocale} characters`);
    return "";
  }
  const locale = canonicalLocale(value);
  if (locale === undefined) warnings.push("locale_not_understood");
  return locale ?? "";
}

const leastTtlNanos = 1_000_000_000n;
const mostTtlNanos = 600_000_000_000n;

function parseTtl(faults: Faults, ttl: Duration): number {
  const { seconds, nanos } = ttl;
  // As duration.proto has it: less than a second, and of the same sign as the seconds.
  if (Math.abs(nanos) > 999_999_999 || (seconds > 0n && nanos < 0) || (seconds < 0n && nanos > 0)) {
    faults.add("ttl", "must be a well-formed duration");
    return 0;
  }
  const total = seconds * 1_000_000_000n + BigInt(nanos);
  if (total < leastTtlNanos || total > mostTtlNanos) faults.add("ttl", "must be from 1 s to 600 s");
  return Number(total / 1_000_000n);
}
