import type {
  BreakerOrder,
  OperatorCommand,
  OperatorOrder,
  OperatorOrderStore,
} from "../domain/operator-order.ts";
import { operatorCommands } from "../domain/operator-order.ts";
import { type Database, milliseconds } from "./database.ts";

interface OrderRow {
  readonly id: string;
  readonly ordered_by: string;
  readonly age_ms: number;
  readonly taken_until: Date;
  readonly command: OperatorCommand;
  readonly signature_id: string;
  readonly caller: string;
  readonly note: string | null;
  readonly seconds: string | null;
}

/** Orders of operators as rows: the tool that writes them needs the database alone and no key. */
export class PostgresOperatorOrderStore implements OperatorOrderStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  async take(limit: number): Promise<OperatorOrder[]> {
    const { sql } = this.#db;
    const rows = await sql<OrderRow[]>`
      with ${this.#db.now()}, l as (
        select o.id, t.now, case
            when o.parameters::json ->> 'signature_id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            then (o.parameters::json ->> 'signature_id')::uuid
          end as signature_id
        from t, operator_order o
        where o.done_at is null and o.command = any (${operatorCommands as readonly string[] as string[]}::text[])
          and (o.taken_until is null or o.taken_until <= t.now)
        order by o.ordered_at
        limit ${limit}::int
        for update of o skip locked
      ), f as (
        select l.*, s.caller from l left join signature s on s.id = l.signature_id
      ), u as (
        update operator_order o
        set taken_until = f.now + interval '1 minute',
          done_at = case when f.caller is null then f.now end,
          result = case when f.caller is null then 'no such signature' end
        from f where o.id = f.id
        returning o.*, f.signature_id, f.caller
      )
      select id, case when verified then login else ordered_by || ' (unverified)' end as ordered_by,
        (extract(epoch from taken_until - interval '1 minute' - coalesce(
          (select a.at from operator_act a where a.act_id = u.id and a.type = 'APPROVED'), ordered_at)) * 1000)::float8
          as age_ms,
        taken_until, command, signature_id, caller,
        parameters::json ->> 'note' as note, parameters::json ->> 'seconds' as seconds
      from u where caller is not null`;
    return rows.map((row) => ({
      id: row.id,
      orderedBy: row.ordered_by,
      ageMs: row.age_ms,
      takenUntil: row.taken_until,
      command: row.command,
      signatureId: row.signature_id,
      caller: row.caller,
      note: row.note ?? "",
      seconds: Number(row.seconds ?? 0),
    }));
  }

  async done({ id, takenUntil }: Pick<OperatorOrder, "id" | "takenUntil">, result: string): Promise<void> {
    const { sql } = this.#db;
    await sql`
      with ${this.#db.now()}
      update operator_order set done_at = t.now, result = ${result} from t
      where id = ${id}::uuid and done_at is null and taken_until = ${takenUntil}`;
  }

  async breaker(provider: string): Promise<{ id: string; order: BreakerOrder } | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<{ id: string; command: string }[]>`
      select id, command from operator_order
      where command in ('open-breaker', 'close-breaker') and parameters::json ->> 'provider' = ${provider}
      order by ordered_at desc, id desc
      limit 1`;
    return row && { id: row.id, order: row.command === "open-breaker" ? "open" : "close" };
  }

  async block(signatureId: string, whom: "customer" | "number", seconds: number): Promise<boolean> {
    const { sql } = this.#db;
    const until = milliseconds(sql, seconds * 1000);
    const rows =
      whom === "customer"
        ? await sql`
            with ${this.#db.now()}, freed_lockout as (
              delete from lockout k using signature s
              where s.id = ${signatureId}::uuid and k.customer = any (s.customer_guards) and ${seconds}::float8 = 0
            )
            insert into customer_guard (pseudonym, starts, wrong_codes, blocked_until, touched_at)
            select g, '{}', '{}', t.now + ${until}, t.now + ${until}
            from t, signature s, unnest(s.customer_guards) as g where s.id = ${signatureId}::uuid
            on conflict (pseudonym) do update
              set blocked_until = excluded.blocked_until, wrong_codes = '{}', touched_at = excluded.touched_at
            returning pseudonym`
        : await sql`
            with ${this.#db.now()}
            insert into phone_guard (pseudonym, messages, blocked_until, touched_at)
            select g, '{}', t.now + ${until}, t.now + ${until}
            from t, signature s, unnest(s.phone_guards) as g where s.id = ${signatureId}::uuid
            on conflict (pseudonym) do update
              set blocked_until = excluded.blocked_until, messages = '{}', touched_at = excluded.touched_at
            returning pseudonym`;
    return rows.length > 0;
  }

  async givenUpChallenge(signatureId: string): Promise<string | undefined> {
    const { sql } = this.#db;
    const [row] = await sql<{ id: string }[]>`
      select c.id from signature s join challenge c on c.signature_id = s.id and c.number = s.challenges
      where s.id = ${signatureId}::uuid and c.status = 'pending' and c.lease_until is null`;
    return row?.id;
  }
}
