drop function remove_closed_signatures(timestamptz, integer);
drop trigger event_is_not_truncated on event;
drop trigger event_goes_with_its_signature on event;
drop function refuse_partial_removal();
drop trigger event_is_append_only on event;
drop function refuse_event_change();
drop function refuse(text, double precision);
drop function event_chain(bytea, integer, uuid, timestamptz, text[], text[]);
