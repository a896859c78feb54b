import { sql } from "drizzle-orm";
import { check, date, index, integer, pgTable, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import { bytes, instant } from "./columns.ts";
import { challenge, signature } from "./signature.ts";

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
    // In the order of a day's tree, for pages of it.
    index("seal_by_day").on(
      sql`((${table.sealedAt} at time zone 'UTC')::date)`,
      table.signatureId,
      table.length,
    ),
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

/** Days whose checkpoint was made: none is made a second time, though its row be gone. */
export const checkpointMade = pgTable(
  "checkpoint_made",
  {
    day: date("day").primaryKey(),
    /** What the next checkpoint has as `previous`. */
    hash: bytes("hash").notNull(),
  },
  (table) => [check("checkpoint_made_hash_is_sha256", sql`octet_length(${table.hash}) = 32`)],
);

/** Which places outside the database have got the checkpoint of a day, and who works on one that has not. */
export const checkpointDelivery = pgTable(
  "checkpoint_delivery",
  {
    sink: text("sink").notNull(),
    day: date("day").notNull(),
    /** Another replica may deliver it after that. */
    takenUntil: instant("taken_until").notNull(),
    deliveredAt: instant("delivered_at"),
    /** The token of a time-stamp authority (RFC 3161), null for other places. */
    token: bytes("token"),
  },
  (table) => [primaryKey({ columns: [table.sink, table.day] })],
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
