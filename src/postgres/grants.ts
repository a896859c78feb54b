import type { Sql } from "postgres";

/** What the service does to which tables; .deploy/postgres/grants.sql grants the same. */
export const neededRights: Readonly<Record<string, readonly string[]>> = {
  "select, insert": [
    "event",
    "receipt",
    "seal",
    ...[
      "checkpoint",
      "checkpoint_made",
      "checkpoint_delivery",
      "provider_receipt",
      "installation",
      "known_key",
    ],
    ...["key_history", "signature", "challenge", "provider_rate", "operator_order", "operator_act"],
  ],
  select: ["operator_policy", "legal_hold"],
  "select, insert, update, delete": [
    ...["idempotency_key", "customer_guard", "phone_guard", "lockout", "caller_grants", "prefix_traffic"],
    ...["caller_traffic", "message_budget"],
  ],
};

/** The columns that the service updates: the others are written once, and no role of it can rewrite them. */
export const updatedColumns: Readonly<Record<string, readonly string[]>> = {
  signature: [
    ...["status", "closed_at", "abort_reason", "phone_sealed", "phone_guards", "attempts_remaining"],
    ...["challenges", "chain_length", "chain_head", "sealed_length"],
  ],
  challenge: [
    ...["status", "provider_challenge_id", "further_message_ids", "provider_proof", "provider_error_code"],
    ...[
      "sent_at",
      "delivered_at",
      "calls",
      "calls_left",
      "last_call_at",
      "look_ups",
      "lease_epoch",
      "lease_until",
    ],
    ...["lease_parked", "feedback_due_at", "redact_due_at", "last_look_up_due_at"],
  ],
  checkpoint_delivery: ["taken_until", "delivered_at", "token"],
  provider_rate: ["next_at"],
  operator_order: ["taken_until", "done_at", "result"],
};

/** The rights that this role lacks to run the service, each as the statement that grants it. */
export async function missingGrants(sql: Sql): Promise<string[]> {
  const needed = Object.entries(neededRights).flatMap(([verbs, tables]) =>
    tables.flatMap((table) => verbs.split(", ").map((verb) => `('${table}', '${verb}')`)),
  );
  const updates = Object.entries(updatedColumns).map(
    ([table, columns]) => `('${table}', '{${columns.join()}}'::text[])`,
  );
  const rows = await sql.unsafe<{ statement: string }[]>(`
    select format('grant usage on schema %I to %I', n.nspname, current_user) as statement
    from pg_namespace n
    where n.nspname in ('public', 'drizzle') and not has_schema_privilege(n.oid, 'usage')
    union all
    select format('grant %s on %I.%I to %I',
      string_agg(r.verb, ', ' order by position(r.verb in 'select, insert, update, delete')),
      n.nspname, c.relname, current_user)
    from (values ${needed.join(", ")}, ('__drizzle_migrations', 'select')) as r (name, verb)
    join pg_class c on c.relname = r.name and c.relkind in ('r', 'p', 'v')
    join pg_namespace n on n.oid = c.relnamespace
      and n.nspname = case when r.name like '\\_\\_%' then 'drizzle' else 'public' end
    where not case r.verb when 'delete' then has_table_privilege(c.oid, 'delete')
      else has_any_column_privilege(c.oid, r.verb) end
    group by n.nspname, c.relname
    union all
    select format('grant update (%s) on public.%I to %I', array_to_string(u.columns, ', '), u.name, current_user)
    from (values ${updates.join(", ")}) as u (name, columns)
    where exists (select from unnest(u.columns) as x (name), pg_attribute a
      where a.attrelid = to_regclass('public.' || u.name) and a.attname = x.name
        and not has_column_privilege(a.attrelid, a.attnum, 'update'))
    union all
    select format('grant execute on function %s to %I', p.oid::regprocedure, current_user)
    from pg_proc p
    where p.pronamespace = to_regnamespace('public') and p.prorettype <> 'trigger'::regtype
      and p.proowner = (select relowner from pg_class where oid = to_regclass('public.signature'))
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
      and not has_function_privilege(p.oid, 'execute')`);
  return rows.map(({ statement }) => statement);
}

/** The rights that this role lacks to migrate, each as the statement that grants it to it. */
export async function missingMigrationRights(sql: Sql): Promise<string[]> {
  const rows = await sql.unsafe<{ statement: string }[]>(`
    select format('grant create on database %I to %I', current_database(), current_user) as statement
    where to_regnamespace('drizzle') is null and not has_database_privilege(current_database(), 'create')
    union all
    select format('grant usage, create on schema %I to %I', n.nspname, current_user)
    from pg_namespace n
    where n.nspname in ('public', 'drizzle')
      and not (has_schema_privilege(n.oid, 'usage') and has_schema_privilege(n.oid, 'create'))
    union all
    select format('alter %s %I.%I owner to %I', case c.relkind when 'S' then 'sequence' else 'table' end,
      n.nspname, c.relname, current_user)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not pg_has_role(c.relowner, 'usage')
      and (n.nspname = 'drizzle' and c.relname = '__drizzle_migrations'
        or n.nspname = 'public' and c.relname in (${Object.values(neededRights)
          .flat()
          .map((name) => `'${name}'`)
          .join(", ")}))`);
  return rows.map(({ statement }) => statement);
}
