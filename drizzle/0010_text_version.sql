-- expand
ALTER TABLE "challenge" ADD COLUMN "text_version" smallint;--> statement-breakpoint
ALTER TABLE "challenge" ADD COLUMN "amount_pattern" text;--> statement-breakpoint
-- Small samples, as 0004 has them for every column of these tables.
ALTER TABLE "challenge" ALTER COLUMN "text_version" SET STATISTICS 10, ALTER COLUMN "amount_pattern" SET STATISTICS 10;
