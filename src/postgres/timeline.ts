import type { Fragment, Sql } from "postgres";

/**
 * The CTEs that append what a CTE `d` decided: it has id, chain_length, chain_head, now, and the arrays
 * types and details of the new events, which may be empty. `h` adds their hashes; `i` inserts them. The
 * statement itself moves signature.chain_length and chain_head with `movedChain`.
 */
export function appendedEvents(sql: Sql): Fragment {
  return sql`
    h as materialized (
      select *, event_chain(chain_head, chain_length, id, now, types, details) as hashes from d
    ), i as (
      insert into event (signature_id, number, at, type, details, hash)
      select h.id, h.chain_length + n, h.now, h.types[n], h.details[n], h.hashes[n]
      from h, generate_subscripts(h.types, 1) as n
    )`;
}

/** A time as the details of an event have it: ISO 8601 with milliseconds, UTC. */
export function isoText(sql: Sql, at: Fragment): Fragment {
  return sql`to_char(${at} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** The assignments that move the chain of a signature row to the last of the events in `h`. */
export function movedChain(sql: Sql): Fragment {
  return sql`
    chain_length = h.chain_length + cardinality(h.types),
    chain_head = coalesce(h.hashes[cardinality(h.types)], h.chain_head)`;
}
