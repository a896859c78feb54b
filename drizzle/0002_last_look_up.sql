-- expand, concurrently
-- recorded as 359974a0653c68edf6a63504b00e401112d442b9772ce7d262222921fba03449: the same in one transaction, which locked the table while the index was built.
ALTER TABLE "challenge" ADD COLUMN IF NOT EXISTS "further_message_ids" text[];--> statement-breakpoint
ALTER TABLE "challenge" ADD COLUMN IF NOT EXISTS "last_look_up_due_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX CONCURRENTLY "challenge_by_last_look_up" ON "challenge" USING btree ("last_look_up_due_at") WHERE "challenge"."last_look_up_due_at" is not null;--> statement-breakpoint
-- Not checked against the rows there are, which would hold up all traffic: they satisfy the narrower rule of before.
ALTER TABLE "challenge" DROP CONSTRAINT "challenge_sent_is_proved", ADD CONSTRAINT "challenge_sent_is_proved" CHECK ("challenge"."status" <> 'sent' or (coalesce("challenge"."provider_challenge_id", "challenge"."further_message_ids"[1]) is not null and "challenge"."sent_at" is not null)) NOT VALID;
