import postgres, { type Sql } from "postgres";
import { type Act, type ActType, actLogId } from "../domain/operator-act.ts";
import type { Database } from "./database.ts";

/** Who is logged in at the database, and whether that is an operator's own login. */
export interface Identity {
  readonly login: string;
  readonly verified: boolean;
}

export interface Policy {
  readonly retentionFloorDays: number;
  readonly operatorRole: string;
  readonly fourEyes: readonly string[];
}

type Details = Readonly<Record<string, string | number>>;

/** The log of privileged acts. The database numbers and hashes each entry, and adds who was logged in. */
export class ActLog {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async identity(): Promise<Identity> {
    const { sql } = this.#db;
    const [row] = await sql<Identity[]>`
      select session_user::text as login, exists (
        select from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles l on l.oid = m.member
        where g.rolname = p.operator_role and l.rolname = session_user) as verified
      from operator_policy p`;
    if (row === undefined) throw new Error("the database has no operator policy");
    return row;
  }

  policy(): Promise<Policy> {
    return readPolicy(this.#db.sql);
  }

  /** @returns whether a second operator has to approve it before it is carried out */
  async record(actId: string, type: ActType, details: Details): Promise<{ waits: boolean }> {
    const { sql } = this.#db;
    const [row] = await sql<{ waits: boolean }[]>`
      insert into operator_act (act_id, type, details) values (${actId}::uuid, ${type}, ${JSON.stringify(details)})
      returning coalesce((details::json ->> 'four_eyes')::boolean, false) as waits`;
    return { waits: row?.waits === true };
  }

  /** Records a purge before it begins, with the number of signatures that are due. */
  async orderPurge(actId: string, as: string, days: number): Promise<{ waits: boolean; due: number }> {
    const { sql } = this.#db;
    const [row] = await sql<{ waits: boolean; due: number }[]>`
      with b as (
        select date_trunc('milliseconds', statement_timestamp()) - ${days}::float8 * interval '24 hours' as before
      )
      insert into operator_act (act_id, type, details)
      select ${actId}::uuid, 'ORDERED', jsonb_build_object('command', 'purge', 'as', ${as}::text, 'days', ${days}::float8,
        'closed_before', b.before, 'due', (select count(*) from signature s
          where s.closed_at < b.before and s.sealed_length = s.chain_length
            and not exists (select from legal_hold h where h.signature_id = s.id)))::text
      from b
      returning (details::json ->> 'four_eyes')::boolean as waits, (details::json ->> 'due')::int as due`;
    if (row === undefined) throw new Error("the purge was not recorded");
    return row;
  }

  /** One batch of a purge that was ordered and, where it must be, approved; says how many it removed. */
  async purge(actId: string, limit: number): Promise<number> {
    const { sql } = this.#db;
    const [row] = await sql<{ removed: number }[]>`
      select purge_signatures(${actId}::uuid, ${limit}::int) as removed`;
    return row?.removed ?? 0;
  }

  /** Holds a signature back from purges, or ends that, as it was ordered; says what became of it. */
  async carryOutHold(actId: string): Promise<string> {
    const { sql } = this.#db;
    const [row] = await sql<{ result: string }[]>`select carry_out_hold(${actId}::uuid) as result`;
    return row?.result ?? "";
  }

  /**
   * Forgets a customer by its pseudonyms, as it was ordered.
   * @returns the signatures whose customer nobody finds any more, and those that are held and stay as they are
   */
  async forget(actId: string, guards: readonly Buffer[]): Promise<{ forgotten: number; held: number }> {
    const { sql } = this.#db;
    const hex = guards.map((guard) => guard.toString("hex"));
    const bytes = sql`array(select decode(guard, 'hex') from unnest(${hex}::text[]) as guard)`;
    await sql`select forget_customer(${actId}::uuid, ${bytes})`;
    const done = { forgotten: 0, held: 0 };
    for (let after: string | null = "00000000-0000-0000-0000-000000000000"; after !== null; ) {
      type Batch = { last: string | null; forgotten: number; held: number };
      const [row]: Batch[] = await sql<Batch[]>`
        select last, forgotten, held from forget_in_signatures(${actId}::uuid, ${bytes}, ${after}::uuid, 5000)`;
      done.forgotten += row?.forgotten ?? 0;
      done.held += row?.held ?? 0;
      after = row?.last ?? null;
    }
    return done;
  }

  /** Approves an act of another operator, and lets replicas have its order. @returns the act's command */
  async approve(actId: string, as: string): Promise<string> {
    const { sql } = this.#db;
    return await sql.begin(async (tx) => {
      const [row] = await tx<{ command: string }[]>`
        insert into operator_act (act_id, type, details)
        values (${actId}::uuid, 'APPROVED', jsonb_build_object('as', ${as}::text)::text)
        returning details::json ->> 'command' as command`;
      await tx`update operator_order set taken_until = null where id = ${actId}::uuid and done_at is null`;
      return row?.command ?? "";
    });
  }

  /** Number and hash of the entries that the receipt key has signed, in order. */
  async sealed(): Promise<{ number: number; hash: Buffer }[]> {
    const { sql } = this.#db;
    return await sql<{ number: number; hash: Buffer }[]>`
      select length as number, head as hash from seal where signature_id = ${actLogId}::uuid order by length`;
  }

  /** Entries in order, after this number. */
  async entries(after: number, limit: number): Promise<Act[]> {
    const { sql } = this.#db;
    return await sql<Act[]>`
      select number, act_id as "actId", at, type, details, hash from operator_act
      where number > ${after}::int order by number limit ${limit}::int`;
  }
}

export async function readPolicy(sql: Sql): Promise<Policy> {
  const [row] = await sql<Policy[]>`
    select retention_floor_days as "retentionFloorDays", operator_role as "operatorRole", four_eyes as "fourEyes"
    from operator_policy`;
  if (row === undefined) throw new Error("the database has no operator policy");
  return row;
}

/** Why the database did not let an operator do it, as it says it: the policy, or the floor of the retention. */
export function policyRefusal(error: unknown): string | undefined {
  if (!(error instanceof postgres.PostgresError)) return undefined;
  return error.code === "SR003" || error.code === "SR004" ? error.message : undefined;
}
