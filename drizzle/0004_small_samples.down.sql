do $$
declare
  one record;
begin
  for one in
    select c.oid::regclass as owner, a.attname as name
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = current_schema()::regnamespace
      and c.relname in (
        'signature', 'challenge', 'event', 'idempotency_key', 'provider_receipt', 'receipt', 'seal',
        'customer_guard', 'phone_guard')
      and a.attnum > 0 and not a.attisdropped
  loop
    execute format('alter table %s alter column %I set statistics -1', one.owner, one.name);
  end loop;
end
$$;
