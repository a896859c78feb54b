-- Where operators have logins of their own, after each `migrate.mjs up` and grants.sql, as signature_migrator: what
-- `admin.mjs` does. Members of signature_operator read no code, phone number or key; what they order, approve and look
-- at stands in operator_act under their login, by the database's word.
revoke all on all tables in schema public from signature_operator;
grant usage on schema public to signature_operator;
grant select (id, caller, status, attempts_remaining, created_at, expires_at, closed_at, abort_reason, phone_sealed,
  chain_length, sealed_length, challenges) on signature to signature_operator;
grant select (id, signature_id, number, channel, provider, status, masked_destination, provider_challenge_id,
  provider_error_code, calls, calls_left, look_ups, lease_epoch, lease_until, lease_parked, created_at, sent_at,
  delivered_at, last_call_at) on challenge to signature_operator;
grant select (caller, last_signature_id, locked_at, locked_until, failed_at, steps) on lockout to signature_operator;
grant select (signature_id, length, head) on seal to signature_operator;
grant select on event, operator_policy, legal_hold to signature_operator;
grant select, insert on operator_act, operator_order to signature_operator;
grant update (taken_until) on operator_order to signature_operator;
grant execute on function purge_signatures, carry_out_hold, forget_customer, forget_in_signatures to signature_operator;
