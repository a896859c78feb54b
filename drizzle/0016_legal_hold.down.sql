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
    order by s.closed_at limit most for update skip locked
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
--> statement-breakpoint
drop function forget_in_signatures(uuid, bytea[], uuid, integer);
--> statement-breakpoint
drop function forget_customer(uuid, bytea[]);
--> statement-breakpoint
drop function carry_out_hold(uuid);
--> statement-breakpoint
drop function act_to_carry_out(uuid, text[]);
--> statement-breakpoint
drop table legal_hold;
