drop function room_for_messages(bytea[], integer, timestamptz);
--> statement-breakpoint
drop function room_for_starts(bytea[], integer, timestamptz);
