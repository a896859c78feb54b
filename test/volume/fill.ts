import type { Sql } from "postgres";

export interface Volume {
  /** A completed signature with its receipt, whose copies fill the tables. */
  readonly sample: string;
  /** Sealed signatures whose seals are of yesterday. */
  readonly yesterday: number;
  /** Sealed signatures whose seals are of the 20 days before that. */
  readonly before: number;
  /** Closed signatures, receipts included, that are not sealed yet. */
  readonly backlog: number;
}

const batch = 250_000;

/** Ids grow with time, as the service's do. */
const id = "(lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid";

/** Fills signature, receipt and seal by copies; without triggers and foreign keys, which takes a superuser. */
export async function fill(sql: Sql, volume: Volume): Promise<void> {
  const { sample, yesterday, before, backlog } = volume;
  const sealed = yesterday + before;
  const columns = await sql<{ name: string }[]>`
    select column_name as name from information_schema.columns
    where table_schema = 'public' and table_name = 'signature' order by ordinal_position`;
  const own: Record<string, string> = {
    id,
    sealed_length: `case when n <= ${sealed} then t.chain_length else 0 end`,
    closed_at: "t.closed_at - interval '1 day' + n * interval '1 millisecond'",
    phone_sealed: "null",
  };
  const copy = {
    signature: `insert into signature (${columns.map(({ name }) => name).join(", ")})
      select ${columns.map(({ name }) => own[name] ?? `t.${name}`).join(", ")}
      from generate_series($1::bigint, $2::bigint) as n, signature t where t.id = $3::uuid`,
    receipt: `insert into receipt (signature_id, jws)
      select ${id}, 'a.b.c' from generate_series($1::bigint, $2::bigint) as n, signature t
      where t.id = $3::uuid and n > ${sealed}`,
    seal: `insert into seal (signature_id, length, head, key_id, signature, sealed_at)
      select ${id}, t.chain_length, t.chain_head, 'r1', repeat('x', 64)::bytea,
        date_trunc('day', now() at time zone 'UTC') at time zone 'UTC' - interval '12 hours'
          - case when n <= ${before} then (1 + n % 20) * interval '1 day' else interval '0' end
      from generate_series($1::bigint, $2::bigint) as n, signature t
      where t.id = $3::uuid and n <= ${sealed}`,
  };
  for (let done = 0; done < sealed + backlog; done += batch) {
    const last = Math.min(done + batch, sealed + backlog);
    await sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      for (const statement of Object.values(copy)) await tx.unsafe(statement, [done + 1, last, sample]);
    });
    progress(`${last} of ${sealed + backlog} signatures`);
  }
  await sql.unsafe("vacuum (analyze) signature, receipt, seal");
  progress("vacuumed");
}

export function progress(line: string): void {
  console.error(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${line}`);
}

/** What work gives, with what it took as progress. */
export async function timed<T>(name: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work();
  progress(`${name}: ${((performance.now() - begun) / 1000).toFixed(2)} s`);
  return result;
}
