-- expand, concurrently
CREATE INDEX CONCURRENTLY "operator_order_by_end" ON "operator_order" USING btree ("done_at") WHERE "operator_order"."done_at" is not null;--> statement-breakpoint
CREATE INDEX CONCURRENTLY "operator_order_of_breaker" ON "operator_order" USING btree ("ordered_at","id") WHERE "operator_order"."command" in ('open-breaker', 'close-breaker');
