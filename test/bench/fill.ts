import type { Sql } from "postgres";

const batch = 100_000;

/**
 * Columns that a copy has of its own; `n` counts the copies, `shift` is what lies between a copy's time and
 * now. Ids grow with time, as the service's do.
 */
const own: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  signature: { id: "copy_id(n, shift, '7')", sealed_length: "t.chain_length" },
  challenge: {
    id: "copy_id(n, shift, '8')",
    signature_id: "copy_id(n, shift, '7')",
    provider_challenge_id: "'SM' || md5(n::text)",
    feedback_due_at: "null",
    redact_due_at: "null",
    lease_until: "null",
  },
  event: { signature_id: "copy_id(n, shift, '7')" },
  receipt: { signature_id: "copy_id(n, shift, '7')" },
  // Of today: days that are over without a checkpoint would keep the service busy with making them.
  seal: { signature_id: "copy_id(n, shift, '7')", sealed_at: "now()" },
};

/**
 * Fills the tables with copies of one completed signature, spread over the last 390 days, up to `count`.
 * Triggers and foreign keys are left out, which takes a superuser.
 */
export async function fillClosed(
  sql: Sql,
  options: { sample: string; from: number; count: number; progress: (done: number) => void },
): Promise<void> {
  const { sample, from, count, progress } = options;
  await sql.unsafe(`create or replace function copy_id(n bigint, shift interval, part text) returns uuid
    language sql stable as $$
      select (lpad(to_hex((extract(epoch from now() - shift) * 1000)::bigint), 12, '0') || part
        || lpad(to_hex(n), 19, '0'))::uuid $$`);
  for (let done = from; done < count; done += batch) {
    const last = Math.min(count, done + batch);
    await sql.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      for (const [table, expressions] of Object.entries(own)) {
        const key = table === "signature" ? "id" : "signature_id";
        const columns = await tx<{ name: string; type: string }[]>`
          select column_name as name, data_type as type from information_schema.columns
          where table_schema = 'public' and table_name = ${table} and is_identity = 'NO'`;
        const values = columns.map(({ name, type }) => {
          const time = type.startsWith("timestamp") ? `t.${name} - shift` : `t.${name}`;
          return expressions[name] ?? time;
        });
        await tx.unsafe(
          `insert into ${table} (${columns.map(({ name }) => name).join(", ")})
           select ${values.join(", ")}
           from generate_series($1::bigint, $2::bigint) as n,
             lateral (select (390 - n * 389.0 / $3::bigint) * interval '1 day' as shift) as s,
             ${table} as t where t.${key} = $4::uuid`,
          [done + 1, last, count, sample],
        );
      }
    });
    progress(last);
  }
  await sql.unsafe("vacuum (analyze)");
  await sql.unsafe("checkpoint");
}
