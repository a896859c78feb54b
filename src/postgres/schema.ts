import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  boolean,
  check,
  customType,
  date,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { challengeStatuses, channels, openChallengeStatuses } from "../domain/challenge.ts";
import { abortReasons, openStatuses, signatureStatuses } from "../domain/signature.ts";
import { timelineTypes } from "../domain/timeline.ts";

const bytes = customType<{ data: Buffer }>({ dataType: () => "bytea" });
/** Times are kept in milliseconds, which is what the API's callers and JavaScript compare exactly. */
const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
const oneOf = (column: AnyPgColumn, values: readonly string[]) =>
  sql`${column} in (${sql.raw(values.map((value) => `'${value}'`).join(", "))})`;

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
    check("signature_status_known", oneOf(table.status, signatureStatuses)),
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
      sql`${table.abortReason} is null or (${table.status} = 'aborted' and ${oneOf(table.abortReason, abortReasons)})`,
    ),
    check("signature_lives", sql`${table.expiresAt} > ${table.createdAt}`),
    check("signature_customer_is_pseudonym", sql`octet_length(${table.customerPseudonym}) = 32`),
    check("signature_digest_is_sha256", sql`octet_length(${table.transactionDigest}) = 32`),
    check("signature_nonce_is_32_bytes", sql`octet_length(${table.codeNonce}) = 32`),
    check("signature_chain_head_is_sha256", sql`octet_length(${table.chainHead}) = 32`),
    check("signature_chain_grows", sql`${table.chainLength} > 0`),
    // For retention, which reads from the oldest.
    index("signature_by_closure").on(table.closedAt).where(sql`${table.closedAt} is not null`),
    index("signature_to_seal")
      .on(table.closedAt)
      .where(sql`${table.closedAt} is not null and ${table.sealedLength} < ${table.chainLength}`),
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
    createdAt: instant("created_at").notNull(),
    sentAt: instant("sent_at"),
    deliveredAt: instant("delivered_at"),
    providerChallengeId: text("provider_challenge_id"),
    providerProof: text("provider_proof"),
    providerErrorCode: text("provider_error_code"),
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
  },
  (table) => [
    check("challenge_status_known", oneOf(table.status, challengeStatuses)),
    check("challenge_channel_known", oneOf(table.channel, channels)),
    check("challenge_calls_bounded", sql`${table.calls} >= 0 and ${table.callsLeft} >= 0`),
    check(
      "challenge_sent_is_proved",
      sql`${table.status} <> 'sent' or (${table.providerChallengeId} is not null and ${table.sentAt} is not null)`,
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
    check("event_type_known", oneOf(table.type, timelineTypes)),
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

/** What this database is for, from first use on: `sandbox` or `live`. One row. */
export const installation = pgTable(
  "installation",
  {
    single: smallint("single").primaryKey(),
    kind: text("kind", { enum: ["sandbox", "live"] }).notNull(),
  },
  (table) => [
    check("installation_is_single", sql`${table.single} = 1`),
    check("installation_kind_known", oneOf(table.kind, ["sandbox", "live"])),
  ],
);

/** Key ids this database has seen, with a keyed check value: another key under a known id is noticed. */
export const knownKey = pgTable(
  "known_key",
  {
    ring: text("ring").notNull(),
    keyId: text("key_id").notNull(),
    checkValue: bytes("check_value").notNull(),
  },
  (table) => [primaryKey({ columns: [table.ring, table.keyId] })],
);

/** When the next message may be sent through a provider, over all replicas (GCRA's theoretical arrival time). */
export const providerRate = pgTable("provider_rate", {
  provider: text("provider").primaryKey(),
  nextAt: timestamp("next_at", { withTimezone: true }).notNull(),
});

/** What a customer has started, and how often in a row a code was wrong, by keyed pseudonym. */
export const customerGuard = pgTable(
  "customer_guard",
  {
    pseudonym: bytes("pseudonym").primaryKey(),
    /** Instants of the starts of the last minute: an exact sliding window. */
    starts: instant("starts").array().notNull(),
    failures: smallint("failures").notNull(),
    firstFailureAt: instant("first_failure_at"),
    blockedUntil: instant("blocked_until"),
    touchedAt: instant("touched_at").notNull(),
  },
  (table) => [
    check("customer_guard_is_pseudonym", sql`octet_length(${table.pseudonym}) = 32`),
    check("customer_guard_failures_counted", sql`${table.failures} >= 0`),
    index("customer_guard_by_age").on(table.touchedAt),
  ],
);

/** Messages to a phone number that no completion followed, by keyed pseudonym. */
export const phoneGuard = pgTable(
  "phone_guard",
  {
    pseudonym: bytes("pseudonym").primaryKey(),
    /** Instants of the messages of the last ten minutes. */
    messages: instant("messages").array().notNull(),
    blockedUntil: instant("blocked_until"),
    touchedAt: instant("touched_at").notNull(),
  },
  (table) => [
    check("phone_guard_is_pseudonym", sql`octet_length(${table.pseudonym}) = 32`),
    index("phone_guard_by_age").on(table.touchedAt),
  ],
);

/** Calls granted to replicas in batches, per caller: what the last second and a bit has handed out. */
export const callerGrants = pgTable("caller_grants", {
  caller: text("caller").primaryKey(),
  grantedAt: timestamp("granted_at", { withTimezone: true }).array().notNull(),
  counts: integer("counts").array().notNull(),
});

/** Messages and completions by number prefix and ten minutes, added up by each replica every few seconds. */
export const prefixTraffic = pgTable(
  "prefix_traffic",
  {
    prefix: text("prefix").notNull(),
    since: instant("since").notNull(),
    messages: integer("messages").notNull(),
    completions: integer("completions").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.prefix, table.since] }),
    // A whole number is personal data: the last four digits are never here.
    check("prefix_traffic_is_prefix", sql`${table.prefix} ~ '^\\+[0-9]{1,11}$'`),
    index("prefix_traffic_by_age").on(table.since),
  ],
);

/** The signed proof of a completion, kept as it was given. */
export const receipt = pgTable("receipt", {
  signatureId: uuid("signature_id")
    .primaryKey()
    .references(() => signature.id),
  jws: text("jws").notNull(),
});

/** Signed statements that a closed signature's chain had this length and this head. */
export const seal = pgTable(
  "seal",
  {
    signatureId: uuid("signature_id").notNull(),
    length: integer("length").notNull(),
    head: bytes("head").notNull(),
    keyId: text("key_id").notNull(),
    /** Ed25519. */
    signature: bytes("signature").notNull(),
    sealedAt: instant("sealed_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.signatureId, table.length] }),
    check("seal_head_is_sha256", sql`octet_length(${table.head}) = 32`),
    check("seal_signature_is_ed25519", sql`octet_length(${table.signature}) = 64`),
    index("seal_by_time").on(table.sealedAt),
  ],
);

/** A signed digest over all seals of a day (UTC), chained to the day before: a missing seal shows. */
export const checkpoint = pgTable(
  "checkpoint",
  {
    day: date("day").primaryKey(),
    seals: integer("seals").notNull(),
    digest: bytes("digest").notNull(),
    previous: bytes("previous").notNull(),
    keyId: text("key_id").notNull(),
    signature: bytes("signature").notNull(),
  },
  (table) => [
    check("checkpoint_digest_is_sha256", sql`octet_length(${table.digest}) = 32`),
    check("checkpoint_signature_is_ed25519", sql`octet_length(${table.signature}) = 64`),
  ],
);

/** Verified callbacks as they came, without the customer's number, sealed with the evidence key. */
export const providerReceipt = pgTable(
  "provider_receipt",
  {
    challengeId: uuid("challenge_id")
      .notNull()
      .references(() => challenge.id),
    number: integer("number").generatedAlwaysAsIdentity(),
    receivedAt: instant("received_at").notNull(),
    /** JSON of the parameters, kept as the text that was sealed. */
    parameters: text("parameters").notNull(),
    proof: text("proof").notNull(),
  },
  (table) => [primaryKey({ columns: [table.challengeId, table.number] })],
);

/** What an operator ordered: replicas act on it within a sweep, through the use cases. */
export const operatorOrder = pgTable(
  "operator_order",
  {
    id: uuid("id").primaryKey(),
    orderedAt: instant("ordered_at").notNull(),
    /** The operator's name; it stands in the timeline. */
    orderedBy: text("ordered_by").notNull(),
    command: text("command").notNull(),
    /** A JSON object of strings. */
    parameters: text("parameters").notNull(),
    /** Who works on it until when; another replica may take it after that. */
    takenUntil: instant("taken_until"),
    doneAt: instant("done_at"),
    result: text("result"),
  },
  (table) => [index("operator_order_open").on(table.orderedAt).where(sql`${table.doneAt} is null`)],
);
