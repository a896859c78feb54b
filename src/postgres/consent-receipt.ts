import type { Fragment, Sql } from "postgres";
import type { Channel } from "../domain/challenge.ts";
import type { ReceiptFacts } from "../domain/receipt.ts";
import type { Database } from "./database.ts";

/** Types of events that name a message which carried the code. */
const messageEvents = ["CHALLENGE_SENT", "DUPLICATE_SENT"];

/** The SIDs of the messages that a timeline names before an event, and how many events it has there. */
export function messagesBefore(sql: Sql, signatureId: Fragment, number: Fragment): Fragment {
  return sql`(
    select count(*)::int as events, coalesce(
      array_agg(x.details::json ->> 'provider_challenge_id' order by x.number)
        filter (where x.type = any (${messageEvents}::text[])), '{}') as sids
    from event x where x.signature_id = ${signatureId} and x.number < ${number})`;
}

interface FactsRow {
  readonly signature_id: string;
  readonly caller: string;
  readonly transaction_digest: Buffer;
  readonly first_factor: string;
  readonly number: number;
  readonly hash: Buffer;
  readonly at: Date;
  readonly details: string;
  readonly channel: Channel;
  readonly sids: string[];
}

/** Columns and tables of what receipts say, for conditions on the alias `s`. */
const facts = (sql: Sql) => sql`
  select s.id as signature_id, s.caller, s.transaction_digest, s.first_factor, e.number, e.hash, e.at, e.details,
    c.channel, m.sids
  from signature s
  join event e on e.signature_id = s.id and e.type = 'SIGNATURE_COMPLETED'
  join challenge c on c.id = (e.details::json ->> 'challenge_id')::uuid
  cross join lateral ${messagesBefore(sql, sql`s.id`, sql`e.number`)} m`;

function toFacts(row: FactsRow): ReceiptFacts {
  const details = JSON.parse(row.details) as Record<string, string>;
  return {
    signatureId: row.signature_id,
    caller: row.caller,
    completedAt: row.at,
    transactionDigest: row.transaction_digest.toString("hex"),
    channel: row.channel,
    messageSids: row.sids,
    textDigest: details["text_digest"] ?? "",
    firstFactor: row.first_factor,
    chainHead: row.hash.toString("hex"),
    chainLength: row.number,
    challengeId: details["challenge_id"] ?? "",
    receiptKeyId: details["receipt_key_id"] ?? "",
  };
}

export async function receiptFacts(
  { sql }: Database,
  signatureId: string,
): Promise<ReceiptFacts | undefined> {
  const [row] = await sql<FactsRow[]>`
    ${facts(sql)}
    where s.id = ${signatureId}::uuid and e.details::json ->> 'receipt_key_id' is not null`;
  return row && toFacts(row);
}

/** What is sealed has its receipt, so the signatures that may lack one are the few that are not sealed yet. */
export async function missingReceipts(
  { sql }: Database,
  limit: number,
  keyIds: readonly string[],
): Promise<ReceiptFacts[]> {
  const rows = await sql<FactsRow[]>`
    ${facts(sql)}
    where s.closed_at is not null and s.sealed_length < s.chain_length and s.status = 'completed'
      and not exists (select from receipt r where r.signature_id = s.id)
      and e.details::json ->> 'receipt_key_id' = any (${keyIds as string[]}::text[])
    order by s.closed_at
    limit ${limit}::int`;
  return rows.map(toFacts);
}

export async function keepReceipt({ sql }: Database, signatureId: string, jws: string): Promise<string> {
  const [row] = await sql<{ jws: string }[]>`
    with i as (
      insert into receipt (signature_id, jws) values (${signatureId}::uuid, ${jws})
      on conflict do nothing returning jws
    )
    select jws from i union all select jws from receipt where signature_id = ${signatureId}::uuid`;
  // Nothing to be seen: another process inserted it while this statement ran, from the same facts.
  return row?.jws ?? jws;
}
