-- After each `migrate.mjs up`, as signature_migrator and in one transaction: what the service may do. It defines
-- nothing, truncates nothing, and rewrites no proof; closed signatures are deleted by the one function that
-- removes them whole, which acts as its owner. Of what it updates it has the columns alone that change in the course
-- of things: who asked for what, when, and where it went is written once.
revoke all on all tables in schema public from signature_runtime;

grant select, insert on event, receipt, seal, checkpoint, checkpoint_made, checkpoint_delivery, provider_receipt,
  installation, known_key, key_history, signature, challenge, provider_rate, operator_order, operator_act
  to signature_runtime;
grant select on operator_policy, legal_hold to signature_runtime;
grant update (status, closed_at, abort_reason, phone_sealed, phone_guards, attempts_remaining, challenges, chain_length, chain_head,
  sealed_length) on signature to signature_runtime;
grant update (status, provider_challenge_id, further_message_ids, provider_proof, provider_error_code, sent_at,
  delivered_at, calls, calls_left, last_call_at, look_ups, lease_epoch, lease_until, lease_parked, feedback_due_at,
  redact_due_at, last_look_up_due_at) on challenge to signature_runtime;
grant update (taken_until, delivered_at, token) on checkpoint_delivery to signature_runtime;
grant update (next_at) on provider_rate to signature_runtime;
grant update (taken_until, done_at, result) on operator_order to signature_runtime;
-- Kept for minutes or days, then removed by the service itself.
grant select, insert, update, delete
  on idempotency_key, customer_guard, phone_guard, lockout, caller_grants, prefix_traffic, caller_traffic, message_budget to signature_runtime;

revoke execute on function remove_closed_signatures, purge_signatures, act_to_carry_out, carry_out_hold, forget_customer,
  forget_in_signatures from public;
grant execute on function remove_closed_signatures, purge_signatures, act_to_carry_out, carry_out_hold, forget_customer,
  forget_in_signatures to signature_runtime;

-- With SIGNATURE_MIGRATE=check the service refuses to start on a database that is behind.
grant usage on schema drizzle to signature_runtime;
grant select on drizzle.__drizzle_migrations to signature_runtime;
