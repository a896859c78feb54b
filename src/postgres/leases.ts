import type { Fragment } from "postgres";
import { firstTextVersion } from "../domain/message-texts.ts";
import { openStatuses } from "../domain/signature.ts";
import type { ChallengeMaterial, Lease } from "../domain/stores.ts";
import { type MaterialRow, materialColumns, toMaterial } from "./challenge-material.ts";
import { type Database, milliseconds } from "./database.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

/** Who may work on a challenge: every change of hands raises the epoch, which ends the earlier owner's right. */
export class Leases {
  readonly #db: Database;
  readonly #newestText: number;

  /** @param newestText the newest version of texts that this process can make again: it leaves later ones to others */
  constructor(db: Database, newestText: number) {
    this.#db = db;
    this.#newestText = newestText;
  }

  /** Whether this process can make the text of the challenge `c` again. */
  #readable(): Fragment {
    return this.#db.sql`coalesce(c.text_version, ${firstTextVersion}) <= ${this.#newestText}::int`;
  }

  async park(challengeId: string, lease: Lease, pauseMs: number): Promise<void> {
    const { sql } = this.#db;
    await sql`
      with ${this.#db.now()}
      update challenge c set lease_until = t.now + ${milliseconds(sql, pauseMs)}, lease_parked = true
      from t
      where c.id = ${challengeId}::uuid and c.lease_epoch = ${lease.epoch} and c.lease_until is not null`;
  }

  async takeUp(
    challengeId: string,
    calls: number,
    leaseMs: number,
    orderedBy?: string,
  ): Promise<ChallengeMaterial | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<MaterialRow[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as challenge_id, c.lease_epoch, c.calls
        from t, signature s join challenge c on c.signature_id = s.id
        where c.id = ${challengeId}::uuid and c.status = 'pending' and c.lease_until is null
          and ${this.#readable()}
          and s.status = any (${openStatuses}::text[]) and s.expires_at > t.now
        for update of s, c
      ), d as (
        select l.*, array['CHALLENGE_TAKEN_OVER'] as types, array[(
          jsonb_build_object('challenge_id', l.challenge_id, 'epoch', (l.lease_epoch + 1)::text,
            'attempt', l.calls::text)
            || ${JSON.stringify(orderedBy === undefined ? {} : { ordered_by: orderedBy })}::text::jsonb)::text] as details
        from l
      ), ${appendedEvents(sql)}, s as (
        update signature set ${movedChain(sql)} from h where signature.id = h.id returning signature.*
      ), c as (
        update challenge set lease_epoch = challenge.lease_epoch + 1, lease_parked = false,
          lease_until = h.now + ${milliseconds(sql, leaseMs)}, calls_left = ${calls}::int
        from h where challenge.id = h.challenge_id
        returning challenge.*
      )
      select ${materialColumns(sql)} from t, c join s on s.id = c.signature_id`;
    return row && toMaterial(row, leaseMs);
  }

  async resume(challengeId: string, leaseMs: number): Promise<ChallengeMaterial | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<MaterialRow[]>`
      with ${this.#db.now()}, c as (
        update challenge c set lease_epoch = c.lease_epoch + 1, lease_until = t.now + ${milliseconds(sql, leaseMs)},
          lease_parked = false
        from t
        where c.id = ${challengeId}::uuid and c.lease_until is not null and c.lease_parked and ${this.#readable()}
        returning c.*
      )
      select ${materialColumns(sql)} from t, c join signature s on s.id = c.signature_id`;
    return row && toMaterial(row, leaseMs);
  }

  async takeOver(limit: number, leaseMs: number): Promise<ChallengeMaterial[]> {
    const { sql } = this.#db;
    const rows = await sql<(MaterialRow & { was_parked: boolean })[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as challenge_id, c.lease_epoch, c.lease_parked, c.calls
        from t, challenge c join signature s on s.id = c.signature_id
        where c.lease_until <= (select now from t) and ${this.#readable()}
        order by c.lease_until
        limit ${limit}::int
        for update of s, c skip locked
      ), d as (
        select l.*,
          case when l.lease_parked then '{}'::text[] else array['CHALLENGE_TAKEN_OVER'] end as types,
          array[json_build_object('challenge_id', l.challenge_id, 'epoch', (l.lease_epoch + 1)::text,
            'attempt', l.calls::text)::text]
            as details
        from l
      ), ${appendedEvents(sql)}, s as (
        update signature set ${movedChain(sql)} from h where signature.id = h.id returning signature.*
      ), c as (
        update challenge set lease_epoch = challenge.lease_epoch + 1,
          lease_until = h.now + ${milliseconds(sql, leaseMs)}, lease_parked = false
        from h where challenge.id = h.challenge_id
        returning challenge.*, h.lease_parked as was_parked
      )
      select c.was_parked, ${materialColumns(sql)} from t, c join s on s.id = c.signature_id`;
    return rows.map((row) => toMaterial(row, leaseMs, row.was_parked));
  }
}
