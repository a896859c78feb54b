create index signature_by_closure on signature (closed_at) where closed_at is not null;
--> statement-breakpoint
drop index signature_sealed_by_closure;
