-- expand
DROP INDEX "signature_by_closure";--> statement-breakpoint
CREATE INDEX "signature_sealed_by_closure" ON "signature" USING btree ("closed_at") WHERE "signature"."closed_at" is not null and "signature"."sealed_length" = "signature"."chain_length";