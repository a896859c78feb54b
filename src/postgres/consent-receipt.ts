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

/** Where the search for missing receipts has come to: closure and id of a signature. */
export interface SearchedUntil {
  readonly closedAt: string;
  readonly id: string;
}

/** Signatures of one look: a backlog that has its receipts is passed in steps that are short. */
const signaturesPerLook = 1000;

/**
 * What is sealed has its receipt, so those that may lack one are among the ones that are not sealed yet.
 * @param after undefined: from the oldest on
 * @returns where to go on; undefined: at the oldest
 */
export async function missingReceipts(
  { sql }: Database,
  limit: number,
  keyIds: readonly string[],
  after: SearchedUntil | undefined,
): Promise<{ missing: ReceiptFacts[]; next: SearchedUntil | undefined }> {
  const looked = await sql<{ id: string; closed_at: string }[]>`
    select s.id, s.closed_at::text from signature s
    where s.closed_at is not null and s.sealed_length < s.chain_length
      and s.closed_at >= ${after?.closedAt ?? "-infinity"}::text::timestamptz
      and (s.closed_at, s.id) > (${after?.closedAt ?? "-infinity"}::text::timestamptz, ${after?.id ?? firstId}::uuid)
    order by s.closed_at, s.id
    limit ${signaturesPerLook}::int`;
  const last = looked.at(-1);
  if (last === undefined) return { missing: [], next: undefined };
  const rows = await sql<FactsRow[]>`
    ${facts(sql)}
    where s.id = any (${looked.map(({ id }) => id)}::uuid[])
      and s.closed_at is not null and s.sealed_length < s.chain_length and s.status = 'completed'
      and not exists (select from receipt r where r.signature_id = s.id)
      and e.details::json ->> 'receipt_key_id' = any (${keyIds as string[]}::text[])
    order by s.closed_at
    limit ${limit}::int`;
  const missing = rows.map(toFacts);
  // There may be more of them where these come from.
  if (missing.length === limit) return { missing, next: after };
  const next = looked.length < signaturesPerLook ? undefined : { closedAt: last.closed_at, id: last.id };
  return { missing, next };
}

const firstId = "00000000-0000-0000-0000-000000000000";

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
