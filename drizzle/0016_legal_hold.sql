-- expand
CREATE TABLE "legal_hold" (
	"signature_id" uuid PRIMARY KEY NOT NULL,
	"held_at" timestamp (3) with time zone NOT NULL,
	"act_id" uuid NOT NULL
);
--> statement-breakpoint
ALTER TABLE "legal_hold" ADD CONSTRAINT "legal_hold_signature_id_signature_id_fk" FOREIGN KEY ("signature_id") REFERENCES "public"."signature"("id") ON DELETE no action ON UPDATE no action;
--> statement-breakpoint
-- What an operator ordered in the last two days, if it may be carried out now; SQLSTATE SR004 otherwise.
create function act_to_carry_out(act uuid, commands text[]) returns jsonb
language plpgsql stable security definer set search_path from current as $$
declare
  asked jsonb;
begin
  select details::jsonb into asked from operator_act
  where act_id = act and type = 'ORDERED' and details::jsonb ->> 'command' = any (commands)
    and at > clock_timestamp() - interval '48 hours';
  if asked is null then
    raise exception using errcode = 'SR004', message = 'no such act was ordered';
  elsif (asked ->> 'four_eyes')::boolean and not exists (
    select from operator_act where act_id = act and type = 'APPROVED'
  ) then
    raise exception using errcode = 'SR004', message = 'the act waits for approval';
  end if;
  return asked;
end
$$;
--> statement-breakpoint
-- Holds the signature of an act back from every purge, or ends that; says what became of it.
create function carry_out_hold(act uuid) returns text
language plpgsql security definer set search_path from current as $$
declare
  asked jsonb := act_to_carry_out(act, array['hold', 'release-hold']);
  held uuid := (asked ->> 'signature_id')::uuid;
begin
  if not exists (select from signature where id = held) then
    return 'no such signature';
  elsif asked ->> 'command' = 'release-hold' then
    delete from legal_hold where signature_id = held;
    return case when found then 'released: it goes with the next purge that it is old enough for' else 'nothing done: it was not held' end;
  end if;
  insert into legal_hold (signature_id, held_at, act_id)
  values (held, date_trunc('milliseconds', clock_timestamp()), act)
  on conflict do nothing;
  return case when found then 'held: no purge removes it' else 'nothing done: it is held already' end;
exception when foreign_key_violation then
  return 'no such signature';
end
$$;
--> statement-breakpoint
-- Removes what limits and lockouts keep of a customer, by its pseudonyms. Not while it has an open signature, or is
-- blocked or locked out: those end first, or the bank ends them.
create function forget_customer(act uuid, guards bytea[]) returns void
language plpgsql security definer set search_path from current as $$
begin
  perform act_to_carry_out(act, array['forget']);
  if exists (select from signature where status in ('pending', 'challenge_sent') and customer_guards && guards) then
    raise exception using errcode = 'SR004',
      message = 'the customer has an open signature: abort it, or wait until it is over (10 minutes at most)';
  elsif exists (select from customer_guard where pseudonym = any (guards) and blocked_until > clock_timestamp())
    or exists (select from lockout where customer = any (guards) and locked_until > clock_timestamp()) then
    raise exception using errcode = 'SR004', message = 'the customer is blocked or locked out: free-customer first';
  end if;
  delete from lockout where customer = any (guards);
  delete from customer_guard where pseudonym = any (guards);
end
$$;
--> statement-breakpoint
-- Of the next signatures by id, takes the customer's pseudonyms from those that are the customer's, closed and not held.
create function forget_in_signatures(
  act uuid, guards bytea[], after uuid, most integer, out last uuid, out forgotten integer, out held integer
)
language plpgsql security definer set search_path from current as $$
declare
  theirs uuid[];
begin
  perform act_to_carry_out(act, array['forget']);
  select (array_agg(b.id order by b.id desc))[1], coalesce(array_agg(b.id) filter (where b.theirs), '{}') into last, theirs
  from (
    select s.id, s.customer_guards && guards and s.closed_at is not null as theirs
    from signature s where s.id > after order by s.id limit most
  ) b;
  select count(*) into held from legal_hold where signature_id = any (theirs);
  update signature s set customer_guards = '{}', customer_pseudonym = decode(repeat('00', 32), 'hex')
  where s.id = any (theirs) and not exists (select from legal_hold h where h.signature_id = s.id);
  get diagnostics forgotten = row_count;
end
$$;
--> statement-breakpoint
-- Removes closed signatures with all that hangs on them, oldest first, and says how many; never one that is
-- held or was closed within the policy's floor, whoever calls it (SQLSTATE SR003). Seals and checkpoints stay: they hold no personal data
-- and show that nothing else is missing. What was removed stands in the log of acts. Orders as old go, too.
create or replace function remove_closed_signatures(before timestamptz, most integer) returns integer
language plpgsql security definer set search_path from current as $$
declare
  gone uuid[];
  floor_days integer;
  breakers text[] := array['open-breaker', 'close-breaker'];
begin
  select retention_floor_days into strict floor_days from operator_policy;
  if before is null or before > statement_timestamp() - floor_days * interval '24 hours' then
    raise exception using errcode = 'SR003',
      message = format('closed signatures are kept for %s days at least', floor_days);
  end if;
  delete from operator_order where id in (
    select o.id from operator_order o
    where o.done_at < before and not (o.command = any (breakers) and o.id = (
      select l.id from operator_order l
      where l.command in ('open-breaker', 'close-breaker')
        and l.parameters::json ->> 'provider' = o.parameters::json ->> 'provider'
      order by l.ordered_at desc, l.id desc limit 1))
    order by o.done_at limit most);
  delete from operator_order where done_at is null and ordered_at < before;
  select array_agg(id) into gone from (
    select s.id from signature s
    where s.closed_at < before and s.sealed_length = s.chain_length
      and not exists (select from legal_hold h where h.signature_id = s.id)
    order by s.closed_at limit most for update of s skip locked
  ) old;
  if gone is null then
    return 0;
  end if;
  insert into operator_act (act_id, type, details)
  values (coalesce(nullif(current_setting('signature.act', true), '')::uuid, gen_random_uuid()), 'REMOVED',
    jsonb_build_object('signatures', cardinality(gone), 'closed_before', before)::text);
  delete from provider_receipt r using challenge c where c.id = r.challenge_id and c.signature_id = any (gone);
  delete from receipt where signature_id = any (gone);
  delete from event where signature_id = any (gone);
  delete from challenge where signature_id = any (gone);
  delete from signature where id = any (gone);
  return cardinality(gone);
end
$$;
