-- concurrently
drop index concurrently if exists signature_closed_with_guards;
