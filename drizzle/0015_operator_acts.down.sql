drop function purge_signatures(uuid, integer);
--> statement-breakpoint
create or replace function remove_closed_signatures(before timestamptz, most integer) returns integer
language plpgsql security definer set search_path from current as $$
declare
  gone uuid[];
begin
  select array_agg(id) into gone from (
    select s.id from signature s
    where s.closed_at < before and s.sealed_length = s.chain_length
    order by s.closed_at limit most for update skip locked
  ) old;
  if gone is null then
    return 0;
  end if;
  delete from provider_receipt r using challenge c where c.id = r.challenge_id and c.signature_id = any (gone);
  delete from receipt where signature_id = any (gone);
  delete from event where signature_id = any (gone);
  delete from challenge where signature_id = any (gone);
  delete from signature where id = any (gone);
  return cardinality(gone);
end
$$;
--> statement-breakpoint
drop trigger operator_order_is_settled_once on operator_order;
--> statement-breakpoint
drop function order_is_settled_once();
--> statement-breakpoint
drop trigger operator_order_is_an_act on operator_order;
--> statement-breakpoint
drop function order_is_an_act();
--> statement-breakpoint
drop table operator_policy;
--> statement-breakpoint
drop function record_policy();
--> statement-breakpoint
drop table operator_act;
--> statement-breakpoint
drop function record_act();
--> statement-breakpoint
alter table operator_order drop column four_eyes, drop column verified, drop column login;
