-- expand
ALTER TABLE "challenge" ADD COLUMN "further_message_ids" text[];--> statement-breakpoint
ALTER TABLE "challenge" ADD COLUMN "last_look_up_due_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "challenge_by_last_look_up" ON "challenge" USING btree ("last_look_up_due_at") WHERE "challenge"."last_look_up_due_at" is not null;--> statement-breakpoint
ALTER TABLE "challenge" DROP CONSTRAINT "challenge_sent_is_proved";--> statement-breakpoint
-- Not checked against the rows there are, which would hold up all traffic: they satisfy the narrower rule of before.
ALTER TABLE "challenge" ADD CONSTRAINT "challenge_sent_is_proved" CHECK ("challenge"."status" <> 'sent' or (coalesce("challenge"."provider_challenge_id", "challenge"."further_message_ids"[1]) is not null and "challenge"."sent_at" is not null)) NOT VALID;
