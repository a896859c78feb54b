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
import { actTypes } from "../../domain/operator-act.ts";
import { bytes, instant, oneOf } from "./columns.ts";
import { signature } from "./signature.ts";

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

/** When this database first saw a key in use, and when it was first seen as retired. */
export const keyHistory = pgTable(
  "key_history",
  {
    ring: text("ring").notNull(),
    keyId: text("key_id").notNull(),
    fact: text("fact", { enum: ["used", "retired"] }).notNull(),
    at: instant("at").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.ring, table.keyId, table.fact] }),
    check("key_history_fact_known", oneOf(table.fact, ["used", "retired"])),
  ],
);

/** What an operator ordered: replicas act on it within a sweep, through the use cases. */
export const operatorOrder = pgTable(
  "operator_order",
  {
    id: uuid("id").primaryKey(),
    orderedAt: instant("ordered_at").notNull(),
    /** The name that the operator gave; it stands in the timeline. */
    orderedBy: text("ordered_by").notNull(),
    command: text("command").notNull(),
    /** A JSON object of strings. */
    parameters: text("parameters").notNull(),
    /** Who works on it until when; another replica may take it after that. Infinity: it waits for approval. */
    takenUntil: instant("taken_until"),
    doneAt: instant("done_at"),
    result: text("result"),
    /** By the database: the login that ordered it, whether that is an operator's own, and whether another must approve. */
    login: text("login"),
    verified: boolean("verified").notNull().default(false),
    fourEyes: boolean("four_eyes").notNull().default(false),
  },
  (table) => [
    index("operator_order_open").on(table.orderedAt).where(sql`${table.doneAt} is null`),
    index("operator_order_by_end").on(table.doneAt).where(sql`${table.doneAt} is not null`),
    index("operator_order_of_breaker")
      .on(table.orderedAt, table.id)
      .where(sql`${table.command} in ('open-breaker', 'close-breaker')`),
  ],
);

/** Every privileged act, before it is carried out, and what became of it: append-only, one hash chain. */
export const operatorAct = pgTable(
  "operator_act",
  {
    number: integer("number").primaryKey(),
    /** Of the order, where it is one; what became of it has the same id. */
    actId: uuid("act_id").notNull(),
    at: instant("at").notNull(),
    type: text("type", { enum: actTypes }).notNull(),
    /** A JSON object, kept as the text that was hashed; the database adds who was logged in. */
    details: text("details").notNull(),
    hash: bytes("hash").notNull(),
  },
  (table) => [
    check("operator_act_type_known", oneOf(table.type, actTypes)),
    check("operator_act_hash_is_sha256", sql`octet_length(${table.hash}) = 32`),
    index("operator_act_by_id").on(table.actId),
    uniqueIndex("operator_act_approved_once").on(table.actId).where(sql`${table.type} = 'APPROVED'`),
  ],
);

/** What binds operators and the service alike; its owner alone can change it. One row. */
export const operatorPolicy = pgTable(
  "operator_policy",
  {
    single: smallint("single").primaryKey(),
    /** Closed signatures are kept at least that long. */
    retentionFloorDays: integer("retention_floor_days").notNull(),
    /** Logins that are members of this role are operators' own: their identity is verified. */
    operatorRole: text("operator_role").notNull(),
    /** Commands that a second operator must approve. */
    fourEyes: text("four_eyes").array().notNull(),
  },
  (table) => [
    check("operator_policy_is_single", sql`${table.single} = 1`),
    check("operator_policy_floor_is_days", sql`${table.retentionFloorDays} between 1 and 36500`),
  ],
);

/** Signatures that no purge removes: while a row stands here, its reference lets nobody delete the signature. */
export const legalHold = pgTable("legal_hold", {
  signatureId: uuid("signature_id")
    .primaryKey()
    .references(() => signature.id),
  heldAt: instant("held_at").notNull(),
  /** The act that ordered it. */
  actId: uuid("act_id").notNull(),
});
