create or replace function act_to_carry_out(act uuid, commands text[]) returns jsonb
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
create or replace function carry_out_hold(act uuid) returns text
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
