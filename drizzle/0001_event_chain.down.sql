drop function event_chain(bytea, integer, uuid, timestamptz, text[], text[]);
