import { sql } from "drizzle-orm";
import {
  boolean,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { challengeStatuses, channels, openChallengeStatuses } from "../../domain/challenge.ts";
import { abortReasons, openStatuses, signatureStatuses } from "../../domain/signature.ts";
import { timelineTypes } from "../../domain/timeline.ts";
import { bytes, instant, oneOf } from "./columns.ts";
import { known } from "./domains.ts";

/** One consent to one transaction. No code, no clear phone number, no clear customer id. */
export const signature = pgTable(
  "signature",
  {
    id: uuid("id").primaryKey(),
    caller: text("caller").notNull(),
    customerPseudonym: bytes("customer_pseudonym").notNull(),
    customerKeyId: text("customer_key_id").notNull(),
    /** Rows of customer_guard and phone_guard, one for each pseudonym key that was known at the start. */
    customerGuards: bytes("customer_guards").array().notNull(),
    /** Empty once closed. */
    phoneGuards: bytes("phone_guards").array().notNull(),
    status: text("status", { enum: signatureStatuses }).notNull(),
    transactionDigest: bytes("transaction_digest").notNull(),
    transactionSealed: bytes("transaction_sealed").notNull(),
    /** Null once the number is of no more use. */
    phoneSealed: bytes("phone_sealed"),
    sealKeyId: text("seal_key_id").notNull(),
    codeNonce: bytes("code_nonce").notNull(),
    codeKeyId: text("code_key_id").notNull(),
    attemptsRemaining: smallint("attempts_remaining").notNull(),
    locale: text("locale").notNull(),
    firstFactor: text("first_factor").notNull(),
    createdAt: instant("created_at").notNull(),
    expiresAt: instant("expires_at").notNull(),
    closedAt: instant("closed_at"),
    abortReason: text("abort_reason", { enum: abortReasons }),
    /** Number of the latest challenge: a statement that missed a newer one sees it here and runs again. */
    challenges: smallint("challenges").notNull(),
    /** Number of the last event; it grows with every change. */
    chainLength: integer("chain_length").notNull(),
    chainHead: bytes("chain_head").notNull(),
    /** How much of the chain the latest seal covers; 0: none yet. */
    sealedLength: integer("sealed_length").notNull(),
  },
  (table) => [
    check("signature_status_known", sql`${known(table.status, "signature_status")} is not null`),
    check("signature_attempts_bounded", sql`${table.attemptsRemaining} between 0 and 5`),
    check(
      "signature_closed_has_time",
      sql`(${table.closedAt} is null) = (${oneOf(table.status, openStatuses)})`,
    ),
    check(
      "signature_failed_has_no_attempts",
      sql`${table.status} <> 'failed' or ${table.attemptsRemaining} = 0`,
    ),
    check(
      "signature_abort_reason_known",
      sql`${known(table.abortReason, "abort_reason")} is null or ${table.status} = 'aborted'`,
    ),
    check("signature_lives", sql`${table.expiresAt} > ${table.createdAt}`),
    check("signature_customer_is_pseudonym", sql`octet_length(${table.customerPseudonym}) = 32`),
    check("signature_digest_is_sha256", sql`octet_length(${table.transactionDigest}) = 32`),
    check("signature_nonce_is_32_bytes", sql`octet_length(${table.codeNonce}) = 32`),
    check("signature_chain_head_is_sha256", sql`octet_length(${table.chainHead}) = 32`),
    check("signature_chain_grows", sql`${table.chainLength} > 0`),
    // For retention, which reads from the oldest. Those that are not sealed stand in the next one alone, or else what
    // looks for the few of them may be planned to go through all the others.
    index("signature_sealed_by_closure")
      .on(table.closedAt)
      .where(sql`${table.closedAt} is not null and ${table.sealedLength} = ${table.chainLength}`),
    index("signature_to_seal")
      .on(table.closedAt)
      .where(sql`${table.closedAt} is not null and ${table.sealedLength} < ${table.chainLength}`),
    // Empty, but for what an older version closed.
    index("signature_closed_with_guards")
      .on(table.closedAt)
      .where(sql`${table.closedAt} is not null and ${table.phoneGuards} <> '{}'`),
    // Holds open rows only, so it stays small however many closed signatures are kept.
    index("signature_closed_with_phone")
      .on(table.closedAt)
      .where(sql`${table.closedAt} is not null and ${table.phoneSealed} is not null`),
    index("signature_open_by_expiry").on(table.expiresAt).where(oneOf(table.status, openStatuses)),
  ],
);

/** One message over one channel. The lease says who may call the provider, and until when. */
export const challenge = pgTable(
  "challenge",
  {
    id: uuid("id").primaryKey(),
    signatureId: uuid("signature_id")
      .notNull()
      .references(() => signature.id),
    /** 1 for the first challenge of its signature. */
    number: smallint("number").notNull(),
    channel: text("channel", { enum: channels }).notNull(),
    provider: text("provider").notNull(),
    status: text("status", { enum: challengeStatuses }).notNull(),
    maskedDestination: text("masked_destination").notNull(),
    /** What the text was made with, so that each retry and look-up renders the same. */
    brand: text("brand").notNull(),
    webOtpHost: text("web_otp_host").notNull(),
    /** Null is 1, as replicas of before versions write it; see message-texts.ts. */
    textVersion: smallint("text_version"),
    amountPattern: text("amount_pattern"),
    createdAt: instant("created_at").notNull(),
    sentAt: instant("sent_at"),
    deliveredAt: instant("delivered_at"),
    providerChallengeId: text("provider_challenge_id"),
    providerProof: text("provider_proof"),
    providerErrorCode: text("provider_error_code"),
    /** Messages of this challenge beside provider_challenge_id: what the customer got twice. */
    furtherMessageIds: text("further_message_ids").array(),
    /** Calls begun, and calls that may still be begun. */
    calls: smallint("calls").notNull(),
    callsLeft: smallint("calls_left").notNull(),
    firstCallAt: instant("first_call_at").notNull(),
    lastCallAt: instant("last_call_at").notNull(),
    lookUps: smallint("look_ups").notNull(),
    /** Raised by each take-over: whoever holds an older one may not call any more. */
    leaseEpoch: integer("lease_epoch").notNull(),
    /** Null once nothing is left to do: the outcome is known, or the challenge was given up. */
    leaseUntil: instant("lease_until"),
    /** The owner stepped aside on purpose until lease_until; taking it up again is no take-over. */
    leaseParked: boolean("lease_parked").notNull(),
    feedbackDueAt: instant("feedback_due_at"),
    redactDueAt: instant("redact_due_at"),
    /** When the provider's list is read again, because the message was sent again on its word. */
    lastLookUpDueAt: instant("last_look_up_due_at"),
  },
  (table) => [
    check("challenge_status_known", sql`${known(table.status, "challenge_status")} is not null`),
    check("challenge_channel_known", sql`${known(table.channel, "challenge_channel")} is not null`),
    check("challenge_calls_bounded", sql`${table.calls} >= 0 and ${table.callsLeft} >= 0`),
    check(
      "challenge_sent_is_proved",
      sql`${table.status} <> 'sent' or (coalesce(${table.providerChallengeId}, ${table.furtherMessageIds}[1]) is not null and ${table.sentAt} is not null)`,
    ),
    check("challenge_destination_masked", sql`${table.maskedDestination} like '+%*** *** %'`),
    uniqueIndex("challenge_number_per_signature").on(table.signatureId, table.number),
    uniqueIndex("challenge_one_open_per_signature")
      .on(table.signatureId)
      .where(oneOf(table.status, openChallengeStatuses)),
    uniqueIndex("challenge_provider_challenge_id").on(table.provider, table.providerChallengeId),
    index("challenge_by_lease").on(table.leaseUntil).where(sql`${table.leaseUntil} is not null`),
    index("challenge_by_feedback").on(table.feedbackDueAt).where(sql`${table.feedbackDueAt} is not null`),
    index("challenge_by_redaction").on(table.redactDueAt).where(sql`${table.redactDueAt} is not null`),
    index("challenge_by_last_look_up")
      .on(table.lastLookUpDueAt)
      .where(sql`${table.lastLookUpDueAt} is not null`),
  ],
);

/** The timeline: append-only facts, numbered and hash-chained per signature. */
export const event = pgTable(
  "event",
  {
    signatureId: uuid("signature_id")
      .notNull()
      .references(() => signature.id),
    number: integer("number").notNull(),
    at: instant("at").notNull(),
    type: text("type", { enum: timelineTypes }).notNull(),
    /** A JSON object of strings, kept as the text that was hashed. */
    details: text("details").notNull(),
    hash: bytes("hash").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.signatureId, table.number] }),
    check("event_type_known", sql`${known(table.type, "event_type")} is not null`),
    check("event_hash_is_sha256", sql`octet_length(${table.hash}) = 32`),
  ],
);

/** Unique keys in a table of their own, so that signatures can be partitioned and keys purged. */
export const idempotencyKey = pgTable(
  "idempotency_key",
  {
    caller: text("caller").notNull(),
    /** `start`, or the id of the signature whose challenge is sent again. */
    scope: text("scope").notNull(),
    key: text("key").notNull(),
    /** Keyed digest of the canonical request. */
    fingerprint: bytes("fingerprint").notNull(),
    fingerprintKeyId: text("fingerprint_key_id").notNull(),
    signatureId: uuid("signature_id").notNull(),
    challengeId: uuid("challenge_id").notNull(),
    createdAt: instant("created_at").notNull(),
  },
  (table) => [
    primaryKey({ name: "idempotency_key_per_caller", columns: [table.caller, table.scope, table.key] }),
    check("idempotency_fingerprint_is_keyed", sql`octet_length(${table.fingerprint}) = 32`),
    index("idempotency_key_by_age").on(table.createdAt),
  ],
);
