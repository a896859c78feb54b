-- concurrently
drop index concurrently if exists operator_order_of_breaker;
--> statement-breakpoint
drop index concurrently if exists operator_order_by_end;
