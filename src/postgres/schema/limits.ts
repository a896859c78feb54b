import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import { bytes, instant } from "./columns.ts";

/** What a customer has started, and which codes in a row were wrong, by keyed pseudonym. */
export const customerGuard = pgTable(
  "customer_guard",
  {
    pseudonym: bytes("pseudonym").primaryKey(),
    /** Instants of the starts of the last minute: an exact sliding window. */
    starts: instant("starts").array().notNull(),
    /** Instants of the wrong codes in a row, while they count. */
    wrongCodes: instant("wrong_codes").array().notNull(),
    blockedUntil: instant("blocked_until"),
    touchedAt: instant("touched_at").notNull(),
  },
  (table) => [
    check("customer_guard_is_pseudonym", sql`octet_length(${table.pseudonym}) = 32`),
    index("customer_guard_by_age").on(table.touchedAt),
  ],
);

/** Wrong codes of a customer that are not forgiven, by caller; caller '' is all callers together. */
export const lockout = pgTable(
  "lockout",
  {
    /** Keyed pseudonym. */
    customer: bytes("customer").notNull(),
    caller: text("caller").notNull(),
    /** In the order in which they were judged. */
    failedAt: instant("failed_at").array().notNull(),
    /** Of each: one byte of the pseudonym of the number that the code was sent to, and the caller's name. */
    failedFor: bytes("failed_for").array().notNull(),
    /** Lockouts in a row. */
    steps: smallint("steps").notNull(),
    /** When the latest lockout began. */
    lockedAt: instant("locked_at"),
    /** Infinity: until the bank frees the customer. */
    lockedUntil: instant("locked_until"),
    /** What an operator names the customer by. */
    lastSignatureId: uuid("last_signature_id").notNull(),
    touchedAt: instant("touched_at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.customer, table.caller] }),
    check("lockout_is_pseudonym", sql`octet_length(${table.customer}) = 32`),
    check(
      "lockout_failures_are_whole",
      sql`cardinality(${table.failedAt}) = cardinality(${table.failedFor})`,
    ),
    check("lockout_failures_bounded", sql`cardinality(${table.failedAt}) <= 100`),
    index("lockout_by_age").on(table.touchedAt).where(sql`cardinality(${table.failedAt}) = 0`),
    index("lockout_failed_by_age").on(table.touchedAt).where(sql`cardinality(${table.failedAt}) > 0`),
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

/** Messages and their cost, granted to replicas ahead of use, by hours of the last day; one row per budget. */
export const messageBudget = pgTable("message_budget", {
  /** `all`, or `caller:` and the caller's name. */
  scope: text("scope").primaryKey(),
  hours: timestamp("hours", { withTimezone: true }).array().notNull(),
  messages: bigint("messages", { mode: "bigint" }).array().notNull(),
  /** Millionths of the price table's currency. */
  micros: bigint("micros", { mode: "bigint" }).array().notNull(),
});

/** When the next message may be sent through a provider, over all replicas (GCRA's theoretical arrival time). */
export const providerRate = pgTable("provider_rate", {
  provider: text("provider").primaryKey(),
  nextAt: timestamp("next_at", { withTimezone: true }).notNull(),
});

/** Messages and completions by number prefix and ten minutes, added up by each replica every few seconds. */
export const prefixTraffic = pgTable(
  "prefix_traffic",
  {
    prefix: text("prefix").notNull(),
    since: instant("since").notNull(),
    messages: integer("messages").notNull(),
    completions: integer("completions").notNull(),
    /** ISO 3166-1 alpha-2, `several`, or `home`; null where an older version counted it. */
    country: text("country"),
  },
  (table) => [
    primaryKey({ columns: [table.prefix, table.since] }),
    // A whole number is personal data: the last four digits are never here.
    check("prefix_traffic_is_prefix", sql`${table.prefix} ~ '^\\+[0-9]{1,11}$'`),
    index("prefix_traffic_by_age").on(table.since),
  ],
);

/** Messages and completions abroad by caller and ten minutes. */
export const callerTraffic = pgTable(
  "caller_traffic",
  {
    caller: text("caller").notNull(),
    since: instant("since").notNull(),
    messages: integer("messages").notNull(),
    completions: integer("completions").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.caller, table.since] }),
    index("caller_traffic_by_age").on(table.since),
  ],
);
