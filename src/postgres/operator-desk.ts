import type { Database } from "./database.ts";

/** A signature as an operator sees it: no code, no phone number, no customer id is there to be shown. */
export interface SignatureFile {
  readonly facts: Readonly<Record<string, string>>;
  readonly challenges: readonly Readonly<Record<string, string>>[];
  readonly timeline: readonly { readonly at: Date; readonly type: string; readonly details: string }[];
  readonly orders: readonly OrderOnFile[];
}

/** Who ordered what about a signature, blocks included, which leave nothing in its timeline. */
export interface OrderOnFile {
  readonly at: Date;
  readonly by: string;
  readonly command: string;
  readonly result: string | undefined;
}

export interface Stuck {
  readonly signatureId: string;
  readonly challengeId: string;
  readonly why: string;
  readonly since: Date;
  readonly attempts: number;
}

export interface LockoutOnFile {
  readonly signatureId: string;
  /** Null: for all callers. */
  readonly caller: string | null;
  readonly since: Date;
  /** Null: until the customer is freed. */
  readonly until: Date | null;
  readonly failures: number;
  readonly steps: number;
}

export interface NewOrder {
  readonly id: string;
  readonly orderedBy: string;
  readonly command: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** What the operator's tool reads and writes; it needs the database alone. */
export class OperatorDesk {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async signature(signatureId: string): Promise<SignatureFile | undefined> {
    const { sql } = this.#db;
    const [signature] = await sql`
      select id, caller, status, attempts_remaining, created_at, expires_at, closed_at, abort_reason,
        phone_sealed is not null as number_kept, chain_length, sealed_length,
        (select h.held_at from legal_hold h where h.signature_id = signature.id) as held_since
      from signature where id = ${signatureId}::uuid`;
    if (signature === undefined) return undefined;
    const challenges = await sql`
      select id, number, channel, provider, status, masked_destination, provider_challenge_id, provider_error_code,
        calls, calls_left, look_ups, lease_epoch, lease_until, lease_parked, created_at, sent_at, delivered_at
      from challenge where signature_id = ${signatureId}::uuid order by number`;
    const timeline = await sql<{ at: Date; type: string; details: string }[]>`
      select at, type, details from event where signature_id = ${signatureId}::uuid order by number`;
    const orders = await sql<{ at: Date; by: string; command: string; result: string | null }[]>`
      select ordered_at as at, command, result,
        case when verified then login else ordered_by || ' (unverified)' end as by
      from operator_order
      where parameters::json ->> 'signature_id' = ${signatureId} order by ordered_at, id`;
    return {
      facts: texts(signature),
      challenges: challenges.map(texts),
      timeline,
      orders: orders.map((order) => ({ ...order, result: order.result ?? undefined })),
    };
  }

  /** Open signatures whose latest challenge is not settled: in doubt, waiting for an owner, or given up. */
  async stuck(limit: number): Promise<Stuck[]> {
    const { sql } = this.#db;
    const rows = await sql<
      { signature_id: string; challenge_id: string; why: string; since: Date; attempts: number }[]
    >`
      select s.id as signature_id, c.id as challenge_id, c.last_call_at as since, c.calls as attempts,
        case
          when c.lease_until is null then 'given up'
          when c.lease_parked then 'outcome unknown, looked up again at intervals'
          when c.lease_until < now() then 'lease ran out, waits for a replica'
          else 'in flight'
        end as why
      from signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
      where s.status in ('pending', 'challenge_sent') and s.expires_at > now() and c.status = 'pending'
        and (c.lease_until is null or c.lease_parked or c.lease_until < now())
      order by c.last_call_at
      limit ${limit}::int`;
    return rows.map((row) => ({
      signatureId: row.signature_id,
      challengeId: row.challenge_id,
      why: row.why,
      since: row.since,
      attempts: row.attempts,
    }));
  }

  /** Customers who are locked out now, those until freed first; named by the signature of their last wrong code. */
  async lockouts(limit: number): Promise<LockoutOnFile[]> {
    const { sql } = this.#db;
    return await sql<LockoutOnFile[]>`
      select distinct on (k.locked_until, k.locked_at, k.caller, k.last_signature_id)
        k.last_signature_id as "signatureId", nullif(k.caller, '') as caller, k.locked_at as since,
        case when isfinite(k.locked_until) then k.locked_until end as until,
        cardinality(k.failed_at) as failures, k.steps
      from lockout k where k.locked_until > now()
      order by k.locked_until desc, k.locked_at desc, k.caller, k.last_signature_id
      limit ${limit}::int`;
  }

  async order(order: NewOrder): Promise<void> {
    const { sql } = this.#db;
    await sql`
      insert into operator_order (id, ordered_at, ordered_by, command, parameters)
      values (${order.id}::uuid, date_trunc('milliseconds', now()), ${order.orderedBy}, ${order.command},
        ${JSON.stringify(order.parameters)})`;
  }

  /** Whether an order waits for the approval of a second operator. */
  async waits(orderId: string): Promise<boolean> {
    const { sql } = this.#db;
    const [row] = await sql<{ waits: boolean }[]>`
      select four_eyes as waits from operator_order where id = ${orderId}::uuid`;
    return row?.waits === true;
  }

  /** What became of an order; undefined while no replica has done it. */
  async result(orderId: string): Promise<string | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<{ result: string | null }[]>`
      select result from operator_order where id = ${orderId}::uuid and done_at is not null`;
    return row?.result ?? undefined;
  }
}

function texts(row: Readonly<Record<string, unknown>>): Record<string, string> {
  const shown = Object.entries(row).filter(([, value]) => value !== null);
  return Object.fromEntries(
    shown.map(([name, value]) => [name, value instanceof Date ? value.toISOString() : String(value)]),
  );
}
