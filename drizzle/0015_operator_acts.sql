-- expand
-- Before anything keeps others from the table.
update operator_order set done_at = ordered_at, result = 'followed by every replica'
where done_at is null and command in ('open-breaker', 'close-breaker');
--> statement-breakpoint
CREATE TABLE "operator_act" (
	"number" integer PRIMARY KEY NOT NULL,
	"act_id" uuid NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"type" text NOT NULL,
	"details" text NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "operator_act_type_known" CHECK ("operator_act"."type" in ('ORDERED', 'APPROVED', 'DONE', 'READ', 'REMOVED', 'POLICY')),
	CONSTRAINT "operator_act_hash_is_sha256" CHECK (octet_length("operator_act"."hash") = 32)
);
--> statement-breakpoint
CREATE TABLE "operator_policy" (
	"single" smallint PRIMARY KEY NOT NULL,
	"retention_floor_days" integer NOT NULL,
	"operator_role" text NOT NULL,
	"four_eyes" text[] NOT NULL,
	CONSTRAINT "operator_policy_is_single" CHECK ("operator_policy"."single" = 1),
	CONSTRAINT "operator_policy_floor_is_days" CHECK ("operator_policy"."retention_floor_days" between 1 and 36500)
);
--> statement-breakpoint
ALTER TABLE "operator_order" ADD COLUMN "login" text;--> statement-breakpoint
ALTER TABLE "operator_order" ADD COLUMN "verified" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "operator_order" ADD COLUMN "four_eyes" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "operator_act_by_id" ON "operator_act" USING btree ("act_id");--> statement-breakpoint
CREATE UNIQUE INDEX "operator_act_approved_once" ON "operator_act" USING btree ("act_id") WHERE "operator_act"."type" = 'APPROVED';--> statement-breakpoint
-- Until the owner of the tables says otherwise: 400 days, no four eyes, and members of signature_operator are operators.
insert into operator_policy (single, retention_floor_days, operator_role, four_eyes)
values (1, 400, 'signature_operator', '{}');
--> statement-breakpoint
-- Numbers, dates and hashes each entry, whoever writes it, and says who was logged in: what a client says about these
-- is not used. Refuses, as SQLSTATE SR004, what the policy does not let this login order or approve.
create function record_act() returns trigger
language plpgsql set search_path from current as $$
declare
  told jsonb := new.details::jsonb;
  policy operator_policy;
  asked jsonb;
  asked_at timestamptz;
  last_number integer;
  last_hash bytea;
  own_login boolean;
begin
  select * into strict policy from operator_policy;
  own_login := exists (
    select from pg_auth_members m
    join pg_roles g on g.oid = m.roleid
    join pg_roles l on l.oid = m.member
    where g.rolname = policy.operator_role and l.rolname = session_user
  );
  told := told || jsonb_build_object('login', session_user, 'verified', own_login);
  if new.type = 'ORDERED' then
    told := told || jsonb_build_object('four_eyes', coalesce(told ->> 'command', '') = any (policy.four_eyes));
    if (told ->> 'four_eyes')::boolean and not own_login then
      raise exception using errcode = 'SR004',
        message = format('%s is under four eyes: it needs a login of your own, a member of %s',
          told ->> 'command', policy.operator_role);
    end if;
  end if;
  perform pg_advisory_xact_lock(126879297169768);
  if new.type = 'APPROVED' then
    select a.details::jsonb, a.at into asked, asked_at
    from operator_act a where a.act_id = new.act_id and a.type = 'ORDERED';
    if asked is null then
      raise exception using errcode = 'SR004', message = 'no such act';
    elsif not (asked ->> 'four_eyes')::boolean then
      raise exception using errcode = 'SR004', message = 'it needs no approval';
    elsif not own_login then
      raise exception using errcode = 'SR004',
        message = format('to approve it needs a login of your own, a member of %s', policy.operator_role);
    elsif asked ->> 'login' = session_user then
      raise exception using errcode = 'SR004', message = 'another operator has to approve what you ordered';
    elsif asked_at < clock_timestamp() - interval '24 hours' then
      raise exception using errcode = 'SR004', message = 'it was ordered more than 24 hours ago: order it again';
    elsif exists (select from operator_act a where a.act_id = new.act_id and a.type = 'APPROVED') then
      raise exception using errcode = 'SR004', message = 'it was approved before';
    end if;
    told := told || jsonb_build_object('command', asked ->> 'command');
  end if;
  select a.number, a.hash into last_number, last_hash from operator_act a order by a.number desc limit 1;
  new.at := date_trunc('milliseconds', clock_timestamp());
  new.number := coalesce(last_number, 0) + 1;
  new.details := told::text;
  new.hash := (event_chain(coalesce(last_hash, ''), new.number - 1, new.act_id, new.at, array[new.type],
    array[new.details]))[1];
  return new;
end
$$;
--> statement-breakpoint
create trigger operator_act_is_recorded before insert on operator_act
  for each row execute function record_act();
--> statement-breakpoint
create trigger operator_act_is_append_only before update or delete or truncate on operator_act
  for each statement execute function refuse_change();
--> statement-breakpoint
create trigger operator_policy_stays before delete or truncate on operator_policy
  for each statement execute function refuse_change();
--> statement-breakpoint
create function record_policy() returns trigger
language plpgsql set search_path from current as $$
begin
  insert into operator_act (act_id, type, details)
  values (gen_random_uuid(), 'POLICY', jsonb_build_object('retention_floor_days', new.retention_floor_days,
    'operator_role', new.operator_role, 'four_eyes', array_to_string(new.four_eyes, ','))::text);
  return new;
end
$$;
--> statement-breakpoint
create trigger operator_policy_is_recorded before update on operator_policy
  for each row execute function record_policy();
--> statement-breakpoint
-- An order is an act, whoever inserts it: it is in the log before a replica sees it. One under four eyes is taken by
-- nobody (until infinity) before it is approved; orders for breakers are followed, not taken.
create function order_is_an_act() returns trigger
language plpgsql set search_path from current as $$
declare
  told jsonb;
begin
  insert into operator_act (act_id, type, details)
  values (new.id, 'ORDERED',
    (new.parameters::jsonb || jsonb_build_object('command', new.command, 'as', new.ordered_by))::text)
  returning details::jsonb into told;
  new.ordered_at := date_trunc('milliseconds', clock_timestamp());
  new.login := session_user;
  new.verified := (told ->> 'verified')::boolean;
  new.four_eyes := (told ->> 'four_eyes')::boolean;
  new.taken_until := case when new.four_eyes then 'infinity'::timestamptz end;
  new.done_at := null;
  new.result := null;
  if new.command in ('open-breaker', 'close-breaker') then
    if new.four_eyes then
      raise exception using errcode = 'SR004', message = 'orders for breakers cannot be under four eyes';
    end if;
    new.done_at := new.ordered_at;
    new.result := 'followed by every replica';
  end if;
  return new;
end
$$;
--> statement-breakpoint
create trigger operator_order_is_an_act before insert on operator_order
  for each row execute function order_is_an_act();
--> statement-breakpoint
-- The first result of an order stands, and is in the log; nothing is done about one that waits for approval.
create function order_is_settled_once() returns trigger
language plpgsql set search_path from current as $$
begin
  if old.done_at is not null then
    return null;
  end if;
  if old.four_eyes and not exists (
    select from operator_act a where a.act_id = old.id and a.type = 'APPROVED'
  ) then
    raise exception using errcode = 'SR004', message = 'the order waits for approval';
  end if;
  if new.done_at is not null then
    insert into operator_act (act_id, type, details)
    values (new.id, 'DONE', jsonb_build_object('command', new.command, 'result', new.result)::text);
  end if;
  return new;
end
$$;
--> statement-breakpoint
create trigger operator_order_is_settled_once before update on operator_order
  for each row execute function order_is_settled_once();
--> statement-breakpoint
-- Removes closed signatures with all that hangs on them, oldest first, and says how many; never one that was closed
-- within the policy's floor, whoever calls it (SQLSTATE SR003). Seals and checkpoints stay: they hold no personal data
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
-- One batch of a purge that an operator ordered, and that was approved where it must be.
create function purge_signatures(act uuid, most integer) returns integer
language plpgsql security definer set search_path from current as $$
declare
  asked jsonb;
begin
  select details::jsonb into asked from operator_act
  where act_id = act and type = 'ORDERED' and details::jsonb ->> 'command' = 'purge'
    and at > clock_timestamp() - interval '48 hours';
  if asked is null then
    raise exception using errcode = 'SR004', message = 'no such purge was ordered';
  elsif (asked ->> 'four_eyes')::boolean and not exists (
    select from operator_act where act_id = act and type = 'APPROVED'
  ) then
    raise exception using errcode = 'SR004', message = 'the purge waits for approval';
  end if;
  perform set_config('signature.act', act::text, true);
  return remove_closed_signatures((asked ->> 'closed_before')::timestamptz, most);
end
$$;
