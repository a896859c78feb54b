import { sql } from "drizzle-orm";
import { check, index, pgTable, primaryKey, smallint, text, uuid } from "drizzle-orm/pg-core";
import { bytes, instant, oneOf } from "./columns.ts";

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
