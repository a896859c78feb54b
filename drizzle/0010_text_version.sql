ALTER TABLE "challenge" ADD COLUMN "text_version" smallint;--> statement-breakpoint
ALTER TABLE "challenge" ADD COLUMN "amount_pattern" text;