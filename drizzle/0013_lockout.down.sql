drop function lockout_after(timestamptz[], bytea[], smallint, timestamptz, timestamptz, boolean, bytea[], integer,
  interval, double precision[], integer);
--> statement-breakpoint
drop function block_refusal(timestamptz, timestamptz);
--> statement-breakpoint
drop table lockout;
