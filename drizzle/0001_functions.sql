-- expand
-- The hashes of new events of one signature, each over the one before it, the signature, its number,
-- its time in milliseconds, its type and its details. The statement that appends events moves
-- signature.chain_head and chain_length with the last of them.
create function event_chain(
  head bytea, length integer, signature uuid, at timestamptz, types text[], details text[]
) returns bytea[]
language plpgsql immutable parallel safe as $$
declare
  hashes bytea[] := '{}';
begin
  for n in 1 .. cardinality(types) loop
    head := sha256(
      head || uuid_send(signature) || int4send(length + n)
        || int8send((extract(epoch from at) * 1000)::bigint)
        || int4send(octet_length(types[n])) || convert_to(types[n], 'UTF8')
        || convert_to(details[n], 'UTF8')
    );
    hashes := hashes || head;
  end loop;
  return hashes;
end
$$;
--> statement-breakpoint
-- Ends a statement, and undoes all of it, because a limit refuses it: SQLSTATE SR001, the limit as the
-- message, the milliseconds until it may succeed as the detail.
create function refuse(what text, retry_after_ms double precision) returns boolean
language plpgsql as $$
begin
  raise exception using errcode = 'SR001', message = what, detail = ceil(greatest(retry_after_ms, 1))::text;
end
$$;
--> statement-breakpoint
-- The timeline is append-only for every role: an update is refused always, and a delete unless it takes a
-- whole signature with it that is closed and sealed.
create function refuse_event_change() returns trigger
language plpgsql as $$
begin
  if tg_op = 'DELETE' and exists (
    select from signature s
    where s.id = old.signature_id and s.closed_at is not null and s.sealed_length = s.chain_length
  ) then
    return old;
  end if;
  raise exception 'the timeline is append-only' using errcode = 'SR002';
end
$$;
--> statement-breakpoint
create function refuse_partial_removal() returns trigger
language plpgsql as $$
begin
  if exists (select from signature where id = old.signature_id) then
    raise exception 'the timeline is append-only' using errcode = 'SR002';
  end if;
  return null;
end
$$;
--> statement-breakpoint
create constraint trigger event_goes_with_its_signature after delete on event
  deferrable initially deferred for each row execute function refuse_partial_removal();
--> statement-breakpoint
create trigger event_is_append_only before update or delete on event
  for each row execute function refuse_event_change();
--> statement-breakpoint
create trigger event_is_not_truncated before truncate on event
  for each statement execute function refuse_event_change();
--> statement-breakpoint
-- Removes closed signatures with all that hangs on them, oldest first, and says how many. Seals and
-- checkpoints stay: they hold no personal data and show that nothing else is missing.
create function remove_closed_signatures(before timestamptz, most integer) returns integer
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
