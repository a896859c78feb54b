import type { DeliveryReceipt } from "../domain/delivery-receipt.ts";
import { newestTextVersion } from "../domain/message-texts.ts";
import type { ProviderResult } from "../domain/provider.ts";
import type { Signature } from "../domain/signature.ts";
import { openStatuses } from "../domain/signature.ts";
import type {
  Acceptance,
  AcceptanceSource,
  ChallengeStanding,
  DeliveryStore,
  Lease,
  SentTo,
} from "../domain/stores.ts";
import { Acceptances } from "./acceptance.ts";
import { erasedPhone } from "./closing.ts";
import { type Database, milliseconds } from "./database.ts";
import { destinationsOf } from "./destinations.ts";
import { Gathering, type OnRepeat } from "./gathering.ts";
import { Leases } from "./leases.ts";
import { recordReceipt } from "./receipt.ts";
import { type SignatureRow, signatureColumns, toSignature, versionColumn } from "./snapshot.ts";
import { messageColumns, type StandingRow, toStanding } from "./standing.ts";
import { appendedEvents, movedChain } from "./timeline.ts";

/** The steps of whoever sends a challenge, and the facts that come back. */
export class PostgresDeliveryStore extends Leases implements DeliveryStore {
  readonly #db: Database;
  readonly #acceptances: Acceptances;
  readonly #destinations: Gathering<string, SentTo | undefined>;

  /**
   * @param settleMs from the acceptance of what was sent again to the first last look at the provider's list
   * @param newestText challenges whose text is of a later version are left to other replicas
   */
  constructor(
    db: Database,
    settleMs = 2000,
    newestText = newestTextVersion,
    onRepeat: OnRepeat = () => undefined,
  ) {
    super(db, newestText);
    this.#db = db;
    this.#destinations = new Gathering((ids) => destinationsOf(db, ids));
    this.#acceptances = new Acceptances(db, settleMs, onRepeat);
  }

  async beginCall(
    challengeId: string,
    lease: Lease,
  ): Promise<{ attempt: number; lifeLeftMs: number } | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<{ calls: number; life_left_ms: number }[]>`
      with ${this.#db.now()}
      update challenge c set calls = c.calls + 1, calls_left = c.calls_left - 1, last_call_at = t.now,
        lease_until = t.now + ${milliseconds(sql, lease.durationMs)}
      from t, signature s
      where c.id = ${challengeId}::uuid and c.lease_epoch = ${lease.epoch} and c.lease_until is not null
        and c.status = 'pending' and c.calls_left > 0
        and s.id = c.signature_id and s.status = any (${openStatuses}::text[]) and s.expires_at > t.now
      returning c.calls, (extract(epoch from s.expires_at - t.now) * 1000)::float8 as life_left_ms`;
    return row && { attempt: row.calls, lifeLeftMs: row.life_left_ms };
  }

  sentTo(challengeId: string): Promise<SentTo | undefined> {
    return this.#destinations.add(challengeId);
  }

  accepted(
    challengeId: string,
    result: ProviderResult,
    source: AcceptanceSource,
  ): Promise<Acceptance | undefined> {
    return this.#acceptances.record({ challengeId, result, source });
  }

  settled(receipt: DeliveryReceipt): Promise<boolean> {
    return recordReceipt(this.#db, receipt);
  }

  async refused(challengeId: string, errorCode: string): Promise<Signature> {
    const { sql } = this.#db;
    const [row] = await sql<SignatureRow[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as challenge_id, c.status as challenge_status, c.calls, c.provider,
          c.provider_challenge_id is null and c.provider_error_code = ${errorCode} as known,
          c.last_look_up_due_at as look_up_due_at
        from t, signature s join challenge c on c.signature_id = s.id
        where c.id = ${challengeId}::uuid
        for update of s, c
      ), d as (
        select l.*, case when l.known then '{}'::text[] else array['CHALLENGE_REFUSED'] end as types,
          array[json_build_object('challenge_id', l.challenge_id, 'provider', l.provider,
            'provider_error_code', ${errorCode}::text, 'attempt', l.calls::text)::text] as details
        from l
      ), ${appendedEvents(sql)}, u as (
        update signature set ${movedChain(sql)}, ${erasedPhone(sql)}
        from h where signature.id = h.id
        returning signature.*
      ), v as (
        update challenge set status = case when h.challenge_status = 'pending' then 'failed' else challenge.status end,
          provider_error_code = case when challenge.provider_challenge_id is null then ${errorCode}
            else challenge.provider_error_code end,
          lease_until = null
        from h where challenge.id = h.challenge_id
        returning challenge.*
      )
      select ${signatureColumns(sql)} from t, u s, v c`;
    return toSignature(row!);
  }

  unknown(challengeId: string, lease: Lease, errorCode: string): Promise<ChallengeStanding> {
    return this.#note(challengeId, lease, "OUTCOME_UNKNOWN", { error_code: errorCode }, false);
  }

  lookedUp(challengeId: string, lease: Lease, found: "nothing" | "unreadable"): Promise<ChallengeStanding> {
    return this.#note(challengeId, lease, "LOOKED_UP", { found }, true);
  }

  /** Appends a fact about the calls so far and, for the owner of the lease, renews it. */
  async #note(
    challengeId: string,
    lease: Lease,
    type: "OUTCOME_UNKNOWN" | "LOOKED_UP",
    facts: Record<string, string>,
    lookUp: boolean,
  ): Promise<ChallengeStanding> {
    const { sql } = this.#db;
    const [row] = await sql<StandingRow[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as challenge_id, c.calls
        from t, signature s join challenge c on c.signature_id = s.id
        where c.id = ${challengeId}::uuid
        for update of s, c
      ), d as (
        select l.*, array[${type}::text] as types, array[(
          jsonb_build_object('challenge_id', l.challenge_id, 'attempt', l.calls::text)
            || ${JSON.stringify(facts)}::text::jsonb)::text] as details
        from l
      ), ${appendedEvents(sql)}, u as (
        update signature set ${movedChain(sql)} from h where signature.id = h.id
      )
      update challenge c set look_ups = c.look_ups + ${lookUp ? 1 : 0}::int,
        lease_until = case when c.lease_epoch = ${lease.epoch} and c.lease_until is not null
          then h.now + ${milliseconds(sql, lease.durationMs)} else c.lease_until end
      from h where c.id = h.challenge_id
      returning h.chain_length + cardinality(h.types) as version, ${messageColumns(sql)}`;
    return toStanding(row!);
  }

  async standing(challengeId: string): Promise<ChallengeStanding | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<StandingRow[]>`
      with ${this.#db.now()}
      select ${versionColumn(sql)}, ${messageColumns(sql)}
      from t, challenge c join signature s on s.id = c.signature_id
      where c.id = ${challengeId}::uuid`;
    return row && toStanding(row);
  }

  async knownElsewhere(challengeId: string, providerChallengeIds: readonly string[]): Promise<Set<string>> {
    const { sql } = this.#db;
    const rows = await sql<{ provider_challenge_id: string }[]>`
      select other.provider_challenge_id
      from challenge c join challenge other on other.provider = c.provider and other.id <> c.id
      where c.id = ${challengeId}::uuid
        and other.provider_challenge_id = any (${providerChallengeIds as string[]}::text[])`;
    return new Set(rows.map((row) => row.provider_challenge_id));
  }

  async giveUp(challengeId: string, lease: Lease, errorCode: string): Promise<Signature | undefined> {
    const { sql } = this.#db;
    // Pending without a lease under the same epoch: this owner gave it up and did not hear of it.
    const [row] = await sql<SignatureRow[]>`
      with ${this.#db.now()}, l as (
        select s.*, t.now, c.id as challenge_id, c.calls, c.provider, c.lease_until is null as known,
          c.last_look_up_due_at as look_up_due_at
        from t, signature s join challenge c on c.signature_id = s.id
        where c.id = ${challengeId}::uuid and c.lease_epoch = ${lease.epoch}
          and (c.lease_until is not null or c.status = 'pending')
        for update of s, c
      ), d as (
        select l.*, case when l.known then '{}'::text[] else array['CHALLENGE_GIVEN_UP'] end as types,
          array[json_build_object('challenge_id', l.challenge_id, 'provider', l.provider,
            'error_code', ${errorCode}::text, 'attempt', l.calls::text)::text] as details
        from l
      ), ${appendedEvents(sql)}, u as (
        update signature set ${movedChain(sql)}, ${erasedPhone(sql)}
        from h where signature.id = h.id
        returning signature.*
      ), v as (
        update challenge set lease_until = null
        from h where challenge.id = h.challenge_id
        returning challenge.*
      )
      select ${signatureColumns(sql)} from t, u s, v c`;
    return row && toSignature(row);
  }
}
