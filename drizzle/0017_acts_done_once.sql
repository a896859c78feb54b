-- expand
-- What an operator ordered in the last two days, if it may be carried out now; SQLSTATE SR004 otherwise.
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
  elsif exists (select from operator_act where act_id = act and type = 'DONE') then
    raise exception using errcode = 'SR004', message = 'the act was carried out before: order it again';
  end if;
  return asked;
end
$$;
--> statement-breakpoint
-- Holds the signature of an act back from every purge, or ends that; says and records what became of it. What was carried
-- out once is over: an approval is good for no second time.
create or replace function carry_out_hold(act uuid) returns text
language plpgsql security definer set search_path from current as $$
declare
  asked jsonb := act_to_carry_out(act, array['hold', 'release-hold']);
  held uuid := (asked ->> 'signature_id')::uuid;
  result text;
begin
  if not exists (select from signature where id = held) then
    result := 'no such signature';
  elsif asked ->> 'command' = 'release-hold' then
    delete from legal_hold where signature_id = held;
    result := case when found then 'released: it goes with the next purge that it is old enough for'
      else 'nothing done: it was not held' end;
  else
    begin
      insert into legal_hold (signature_id, held_at, act_id)
      values (held, date_trunc('milliseconds', clock_timestamp()), act)
      on conflict do nothing;
      result := case when found then 'held: no purge removes it' else 'nothing done: it is held already' end;
    exception when foreign_key_violation then
      result := 'no such signature';
    end;
  end if;
  insert into operator_act (act_id, type, details)
  values (act, 'DONE', jsonb_build_object('command', asked ->> 'command', 'result', result)::text);
  return result;
end
$$;
