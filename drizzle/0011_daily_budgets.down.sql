alter table prefix_traffic drop column country;
--> statement-breakpoint
drop table caller_traffic;
--> statement-breakpoint
drop table message_budget;
