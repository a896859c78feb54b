import type { DueMessage, UpkeepStore } from "../domain/upkeep-store.ts";
import { closedChallenges, closedSignature } from "./closing.ts";
import { type Database, milliseconds } from "./database.ts";
import { appendedEvents } from "./timeline.ts";

interface DueRow {
  readonly challenge_id: string;
  readonly provider: string;
  readonly provider_challenge_id: string;
}

const toDueMessage = (row: DueRow): DueMessage => ({
  challengeId: row.challenge_id,
  provider: row.provider,
  providerChallengeId: row.provider_challenge_id,
});

/** What falls due without a caller. Batches are bounded and skip rows that another replica holds. */
export class PostgresUpkeepStore implements UpkeepStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async expire(limit: number): Promise<number> {
    const { sql } = this.#db;
    const rows = await sql`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as latest_id, c.lease_until as latest_lease_until
        from t, signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
        where s.status in ('pending', 'challenge_sent') and s.expires_at <= t.now
        order by s.expires_at
        limit ${limit}::int
        for update of s, c skip locked
      ), d as (
        select l.*, 'expired' as next_status, 'expired' as next_challenge_status, l.expires_at as next_closed_at,
          null::text as next_abort_reason, array['SIGNATURE_EXPIRED'] as types, array['{}'] as details
        from l
      ), ${appendedEvents(sql)}, u as (
        ${closedSignature(sql)} from h where signature.id = h.id
      )
      ${closedChallenges(sql)} from h where challenge.signature_id = h.id
      returning challenge.id, challenge.id = h.latest_id as latest`;
    return rows.filter((row) => row["latest"]).length;
  }

  async erasePhoneNumbers(limit: number): Promise<number> {
    const { sql } = this.#db;
    const rows = await sql`
      with ${this.#db.now()}, l as (
        select s.id from t, signature s
        where s.closed_at <= t.now - interval '10 minutes' and s.phone_sealed is not null
        order by s.closed_at
        limit ${limit}::int
        for update skip locked
      ), c as (
        update challenge set lease_until = null from l where challenge.signature_id = l.id
      )
      update signature set phone_sealed = null from l where signature.id = l.id returning signature.id`;
    return rows.length;
  }

  /** A block and the time in which wrong codes count are a day at most; the windows of the rest are shorter. */
  async purgeGuards(limit: number): Promise<number> {
    const { sql } = this.#db;
    const [purged] = await sql<{ rows: number }[]>`
      with ${this.#db.now()}, c as (
        delete from customer_guard where pseudonym in (
          select g.pseudonym from t, customer_guard g
          where g.touched_at < t.now - interval '25 hours'
            and (g.blocked_until is null or g.blocked_until <= t.now)
          order by g.touched_at limit ${limit}::int for update of g skip locked)
        returning 1
      ), p as (
        delete from phone_guard where pseudonym in (
          select g.pseudonym from t, phone_guard g
          where g.touched_at < t.now - interval '1 hour'
            and (g.blocked_until is null or g.blocked_until <= t.now)
          order by g.touched_at limit ${limit}::int for update of g skip locked)
        returning 1
      ), a as (
        delete from caller_grants where caller in (
          select g.caller from t, caller_grants g
          where t.now - interval '1 day' > all (g.granted_at)
          limit ${limit}::int for update of g skip locked)
        returning 1
      ), x as (
        delete from prefix_traffic where (prefix, since) in (
          select g.prefix, g.since from t, prefix_traffic g
          where g.since < t.now - interval '2 hours'
          order by g.since limit ${limit}::int for update of g skip locked)
        returning 1
      )
      select greatest((select count(*) from c), (select count(*) from p), (select count(*) from a),
        (select count(*) from x))::int as rows`;
    return purged?.rows ?? 0;
  }

  async purgeKeys(limit: number): Promise<number> {
    const { sql } = this.#db;
    const rows = await sql`
      with ${this.#db.now()}, l as (
        select caller, scope, key from t, idempotency_key
        where created_at < t.now - interval '25 hours'
        order by created_at
        limit ${limit}::int
        for update of idempotency_key skip locked
      )
      delete from idempotency_key k using l
      where k.caller = l.caller and k.scope = l.scope and k.key = l.key
      returning k.key`;
    return rows.length;
  }

  async dueFeedback(limit: number, againMs: number): Promise<DueMessage[]> {
    const { sql } = this.#db;
    const rows = await sql<DueRow[]>`
      with ${this.#db.now()}, l as (
        select c.id, t.now from t, challenge c where c.feedback_due_at <= t.now
        order by c.feedback_due_at limit ${limit}::int for update of c skip locked
      )
      update challenge c set feedback_due_at = l.now + ${milliseconds(sql, againMs)} from l where c.id = l.id
      returning c.id as challenge_id, c.provider, c.provider_challenge_id`;
    return rows.map(toDueMessage);
  }

  async dueRedaction(limit: number, againMs: number): Promise<DueMessage[]> {
    const { sql } = this.#db;
    const rows = await sql<DueRow[]>`
      with ${this.#db.now()}, l as (
        select c.id, t.now from t, challenge c where c.redact_due_at <= t.now
        order by c.redact_due_at limit ${limit}::int for update of c skip locked
      )
      update challenge c set redact_due_at = l.now + ${milliseconds(sql, againMs)} from l where c.id = l.id
      returning c.id as challenge_id, c.provider, c.provider_challenge_id`;
    return rows.map(toDueMessage);
  }

  async feedbackDone(challengeId: string): Promise<void> {
    await this.#db.sql`update challenge set feedback_due_at = null where id = ${challengeId}::uuid`;
  }

  async redactionDone(challengeId: string): Promise<void> {
    await this.#db.sql`update challenge set redact_due_at = null where id = ${challengeId}::uuid`;
  }
}
