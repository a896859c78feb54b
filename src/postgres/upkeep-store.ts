import type { Fragment } from "postgres";
import { firstTextVersion, newestTextVersion } from "../domain/message-texts.ts";
import type { Claim, UpkeepStore, UpkeepTask } from "../domain/upkeep-store.ts";
import { type MaterialRow, materialColumns, toMaterial } from "./challenge-material.ts";
import { closedChallenges, closedSignature, erasedPhone } from "./closing.ts";
import { type Database, milliseconds, recordset } from "./database.ts";
import { Gathering } from "./gathering.ts";
import { appendedEvents } from "./timeline.ts";

interface DueRow {
  readonly challenge_id: string;
  readonly provider: string;
  readonly until: Date;
  readonly provider_challenge_id: string | null;
  readonly further_message_ids: string[];
}

interface Done {
  readonly task: UpkeepTask;
  readonly claim: Claim;
}

const dueColumns = {
  feedback: "feedback_due_at",
  redaction: "redact_due_at",
  last_look_up: "last_look_up_due_at",
} as const;

/**
 * How long after it was sent again a challenge's list is read once more, each time after a pause three times
 * its age then (2, 8, 32 and 128 s with the usual settling pause): Twilio does not say when a message shows.
 */
const listedWithinMs = 60_000;

/** What falls due without a caller. Batches are bounded and skip rows that another replica holds. */
export class PostgresUpkeepStore implements UpkeepStore {
  readonly #db: Database;
  readonly #newestText: number;
  readonly #done: Gathering<Done, undefined>;

  /** @param newestText last looks at texts of a later version are left to other replicas */
  constructor(db: Database, newestText = newestTextVersion) {
    this.#db = db;
    this.#newestText = newestText;
    this.#done = new Gathering((done) => markDone(db, done), { kindOf: ({ task }) => task });
  }

  async expire(limit: number): Promise<number> {
    const { sql } = this.#db;
    const rows = await sql`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as latest_id, c.calls as latest_calls, c.lease_until as latest_lease_until,
          c.last_look_up_due_at as latest_look_up_due_at
        from t, signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
        where s.status in ('pending', 'challenge_sent') and s.expires_at <= (select now from t)
        order by s.expires_at
        limit ${limit}::int
        for update of s, c skip locked
      ), d as (
        select l.*, 'expired' as next_status, 'expired' as next_challenge_status, l.expires_at as next_closed_at,
          null::text as next_abort_reason, array['SIGNATURE_EXPIRED'] as types,
          array[json_build_object('challenge_id', l.latest_id, 'attempt', l.latest_calls::text)::text] as details
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
        select s.id from signature s
        where s.closed_at <= (select now from t) - interval '10 minutes' and s.phone_sealed is not null
        order by s.closed_at
        limit ${limit}::int
        for update skip locked
      ), c as (
        update challenge set lease_until = null from l where challenge.signature_id = l.id
      )
      update signature set phone_sealed = null from l where signature.id = l.id returning signature.id`;
    return rows.length;
  }

  async erasePhoneGuards(limit: number): Promise<number> {
    const { sql } = this.#db;
    const rows = await sql`
      with l as (
        select s.id from signature s
        where s.closed_at is not null and s.phone_guards <> '{}'
        order by s.closed_at
        limit ${limit}::int
        for update skip locked
      )
      update signature set phone_guards = '{}' from l where signature.id = l.id returning signature.id`;
    return rows.length;
  }

  /** A block and the time in which wrong codes count are a day at most; the windows of the rest are shorter. */
  async purgeGuards(limit: number): Promise<number> {
    const { sql } = this.#db;
    const [purged] = await sql<{ rows: number }[]>`
      with ${this.#db.now()}, c as (
        delete from customer_guard where pseudonym in (
          select g.pseudonym from customer_guard g
          where g.touched_at < (select now from t) - interval '25 hours'
            and (g.blocked_until is null or g.blocked_until <= (select now from t))
          order by g.touched_at limit ${limit}::int for update of g skip locked)
        returning 1
      ), p as (
        delete from phone_guard where pseudonym in (
          select g.pseudonym from phone_guard g
          -- Messages count for ten minutes, and touched_at may be ten minutes late.
          where g.touched_at < (select now from t) - interval '25 minutes'
            and (g.blocked_until is null or g.blocked_until <= (select now from t))
          order by g.touched_at limit ${limit}::int for update of g skip locked)
        returning 1
      ), a as (
        delete from caller_grants where caller in (
          select g.caller from caller_grants g
          where (select now from t) - interval '1 day' > all (g.granted_at)
          limit ${limit}::int for update of g skip locked)
        returning 1
      ), x as (
        delete from prefix_traffic where (prefix, since) in (
          select g.prefix, g.since from prefix_traffic g
          where g.since < (select now from t) - interval '2 hours'
          order by g.since limit ${limit}::int for update of g skip locked)
        returning 1
      ), purged_lockout as (
        delete from lockout where (customer, caller) in (
          select k.customer, k.caller from lockout k
          where cardinality(k.failed_at) = 0 and k.touched_at < (select now from t) - interval '1 hour'
          order by k.touched_at limit ${limit}::int for update of k skip locked)
        returning 1
      ), purged_old_lockout as (
        -- Failures of a customer who has not been seen for so long count for nothing any more.
        delete from lockout where (customer, caller) in (
          select k.customer, k.caller from lockout k
          where cardinality(k.failed_at) > 0 and k.touched_at < (select now from t) - interval '400 days'
            and k.locked_until is distinct from 'infinity'
          order by k.touched_at limit ${limit}::int for update of k skip locked)
        returning 1
      ), purged_caller_traffic as (
        delete from caller_traffic where (caller, since) in (
          select g.caller, g.since from caller_traffic g
          where g.since < (select now from t) - interval '2 hours'
          order by g.since limit ${limit}::int for update of g skip locked)
        returning 1
      )
      select greatest((select count(*) from c), (select count(*) from p), (select count(*) from a),
        (select count(*) from x), (select count(*) from purged_caller_traffic), (select count(*) from purged_lockout),
        (select count(*) from purged_old_lockout))::int as rows`;
    return purged?.rows ?? 0;
  }

  async purgeKeys(limit: number): Promise<number> {
    const { sql } = this.#db;
    const rows = await sql`
      with ${this.#db.now()}, l as (
        select caller, scope, key from idempotency_key
        where created_at < (select now from t) - interval '25 hours'
        order by created_at
        limit ${limit}::int
        for update of idempotency_key skip locked
      )
      delete from idempotency_key k using l
      where k.caller = l.caller and k.scope = l.scope and k.key = l.key
      returning k.key`;
    return rows.length;
  }

  async due(task: UpkeepTask, limit: number, againMs: number) {
    const { sql } = this.#db;
    const rows = await sql<DueRow[]>`
      ${this.#claimed(task, limit, againMs)}
      select c.id as challenge_id, c.provider, c.${sql(dueColumns[task])} as until,
        c.provider_challenge_id, coalesce(c.further_message_ids, '{}') as further_message_ids
      from c`;
    return rows.map((row) => {
      const { challenge_id: challengeId, provider, until } = row;
      const further = task === "redaction" ? row.further_message_ids : [];
      const ids = [row.provider_challenge_id, ...further].filter((id) => id !== null);
      const messages = ids.map((providerChallengeId) => ({ challengeId, provider, providerChallengeId }));
      return { claim: { challengeId, until }, messages };
    });
  }

  async done(task: UpkeepTask, claim: Claim): Promise<void> {
    await this.#done.add({ task, claim });
  }

  async dueLookUps(limit: number, againMs: number) {
    const { sql } = this.#db;
    const rows = await sql<(MaterialRow & { until: Date })[]>`
      ${this.#claimed("last_look_up", limit, againMs)}
      select c.last_look_up_due_at as until, ${materialColumns(sql)}
      from t, c join signature s on s.id = c.signature_id`;
    return rows.map((row) => {
      const material = toMaterial(row, againMs);
      return { claim: { challengeId: material.challengeId, until: row.until }, material };
    });
  }

  async lookedUpAgain({ challengeId, until }: Claim): Promise<void> {
    const { sql } = this.#db;
    await sql`
      with ${this.#db.now()}, l as (
        select s.id, c.id as challenge_id, case
          when s.phone_sealed is not null and t.now - c.sent_at < ${milliseconds(sql, listedWithinMs)}
            then t.now + 3 * (t.now - c.sent_at)
        end as next_due_at
        from t, signature s join challenge c on c.signature_id = s.id
        where c.id = ${challengeId}::uuid and c.last_look_up_due_at = ${until}::timestamptz
        for update of s, c
      ), u as (
        update signature set ${erasedPhone(sql, sql`h.next_due_at is not null`)} from l h
        where signature.id = h.id and signature.closed_at is not null
      )
      update challenge set last_look_up_due_at = l.next_due_at from l where challenge.id = l.challenge_id`;
  }

  /** CTEs `t` and `c`: challenges whose task is due, which is due again after the pause. */
  #claimed(task: keyof typeof dueColumns, limit: number, againMs: number): Fragment {
    const { sql } = this.#db;
    const column = sql(dueColumns[task]);
    return sql`
      with ${this.#db.now()}, l as (
        select c.id, t.now from t, challenge c where c.${column} <= (select now from t)
          and (${task} <> 'last_look_up' or coalesce(c.text_version, ${firstTextVersion}) <= ${this.#newestText}::int)
        order by c.${column} limit ${limit}::int for update of c skip locked
      ), c as (
        update challenge set ${column} = l.now + ${milliseconds(sql, againMs)} from l where challenge.id = l.id
        returning challenge.*
      )`;
  }
}

/** Ends claims on one task; one that was taken over meanwhile stays. */
async function markDone({ sql }: Database, done: readonly Done[]): Promise<undefined[]> {
  const column = sql(dueColumns[done[0]!.task]);
  const claims = done.map(({ claim: { challengeId, until } }) => ({ id: challengeId, until }));
  await sql`
    with n as materialized (
      select * from ${recordset(sql, claims)} as n (id uuid, until timestamptz) order by id
    )
    update challenge set ${column} = null from n where challenge.id = n.id and challenge.${column} = n.until`;
  return done.map(() => undefined);
}
