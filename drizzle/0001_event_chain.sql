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
