-- After each `migrate.mjs up`, as signature_migrator and in one transaction: what the service may do. It defines
-- nothing, truncates nothing, and rewrites no proof; closed signatures are deleted by the one function that
-- removes them whole, which acts as its owner.
revoke all on all tables in schema public from signature_runtime;

grant select, insert on event, receipt, seal, checkpoint, provider_receipt, installation, known_key
  to signature_runtime;
grant select, insert, update on signature, challenge, provider_rate, operator_order to signature_runtime;
-- Kept for minutes or days, then removed by the service itself.
grant select, insert, update, delete
  on idempotency_key, customer_guard, phone_guard, caller_grants, prefix_traffic, caller_traffic, message_budget to signature_runtime;

revoke execute on function remove_closed_signatures from public;
grant execute on function remove_closed_signatures to signature_runtime;

-- With SIGNATURE_MIGRATE=check the service refuses to start on a database that is behind.
grant usage on schema drizzle to signature_runtime;
grant select on drizzle.__drizzle_migrations to signature_runtime;
