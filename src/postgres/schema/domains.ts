import { type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import { challengeStatuses, channels } from "../../domain/challenge.ts";
import { abortReasons, signatureStatuses } from "../../domain/signature.ts";
import { timelineTypes } from "../../domain/timeline.ts";

/**
 * Which texts there are of a kind, by the name of its domain. PostgreSQL reads the text of a table's CHECK anew in
 * each statement, which takes longer than the check itself, and that of a domain once a session: so the lists stand
 * in domains, and a CHECK only names one. No column has one as its type: a column's new type fails the statements that
 * older replicas have prepared.
 *
 * drizzle-kit knows no domains: a migration that changes one is written by hand.
 */
export const domains = {
  signature_status: signatureStatuses,
  abort_reason: abortReasons,
  challenge_status: challengeStatuses,
  challenge_channel: channels,
  event_type: timelineTypes,
} as const;

/** The column's text, which fails its statement where the domain does not have it. */
export const known = (column: AnyPgColumn, domain: keyof typeof domains): SQL =>
  sql`${column}::${sql.raw(domain)}`;
