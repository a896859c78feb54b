-- concurrently
create index concurrently signature_by_closure on signature (closed_at) where closed_at is not null;
--> statement-breakpoint
drop index concurrently if exists signature_sealed_by_closure;
