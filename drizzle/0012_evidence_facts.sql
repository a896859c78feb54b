-- expand
CREATE TABLE "checkpoint_delivery" (
	"sink" text NOT NULL,
	"day" date NOT NULL,
	"taken_until" timestamp (3) with time zone NOT NULL,
	"delivered_at" timestamp (3) with time zone,
	"token" "bytea",
	CONSTRAINT "checkpoint_delivery_sink_day_pk" PRIMARY KEY("sink","day")
);
--> statement-breakpoint
CREATE TABLE "checkpoint_made" (
	"day" date PRIMARY KEY NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "checkpoint_made_hash_is_sha256" CHECK (octet_length("checkpoint_made"."hash") = 32)
);
--> statement-breakpoint
CREATE TABLE "key_history" (
	"ring" text NOT NULL,
	"key_id" text NOT NULL,
	"fact" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "key_history_ring_key_id_fact_pk" PRIMARY KEY("ring","key_id","fact"),
	CONSTRAINT "key_history_fact_known" CHECK ("key_history"."fact" in ('used', 'retired'))
);
--> statement-breakpoint
alter domain event_type drop constraint event_type_known;
--> statement-breakpoint
alter domain event_type add constraint event_type_known
  check (value in ('SIGNATURE_STARTED', 'CHALLENGE_CREATED', 'CHALLENGE_SENT', 'CHALLENGE_REFUSED', 'OUTCOME_UNKNOWN',
    'LOOKED_UP', 'DUPLICATE_SENT', 'PROVIDER_ANSWERED', 'PROVIDER_REPORTED', 'CHALLENGE_GIVEN_UP', 'CHALLENGE_TAKEN_OVER', 'CHALLENGE_SUPERSEDED',
    'CHALLENGE_DELIVERED', 'CHALLENGE_UNDELIVERED', 'CODE_REJECTED', 'TRANSACTION_MISMATCH', 'SIGNATURE_COMPLETED',
    'SIGNATURE_FAILED', 'SIGNATURE_EXPIRED', 'SIGNATURE_ABORTED'));
--> statement-breakpoint
-- For every role, the owner included: nothing that proves something is changed, and none of these ever ends.
create function refuse_change() returns trigger
language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'SR002';
end
$$;
--> statement-breakpoint
create trigger seal_is_append_only before update or delete or truncate on seal
  for each statement execute function refuse_change();
--> statement-breakpoint
create trigger checkpoint_is_append_only before update or delete or truncate on checkpoint
  for each statement execute function refuse_change();
--> statement-breakpoint
create trigger checkpoint_made_is_append_only before update or delete or truncate on checkpoint_made
  for each statement execute function refuse_change();
--> statement-breakpoint
create trigger key_history_is_append_only before update or delete or truncate on key_history
  for each statement execute function refuse_change();
