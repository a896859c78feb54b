-- expand, concurrently
-- recorded as 8afc345854efb581853088f24d0ef693ba455e6771870a9e42c01d2721920fef: the same in one transaction, which locked the table while the index was built.
CREATE INDEX CONCURRENTLY "signature_sealed_by_closure" ON "signature" USING btree ("closed_at") WHERE "signature"."closed_at" is not null and "signature"."sealed_length" = "signature"."chain_length";--> statement-breakpoint
DROP INDEX CONCURRENTLY IF EXISTS "signature_by_closure";
