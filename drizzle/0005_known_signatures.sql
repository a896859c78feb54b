-- expand
-- The lists of known texts go into domains (src/postgres/schema/domains.ts), with a migration for each table: one that
-- held the locks of several would wait for statements that wait for it. The rows that are there have met the same
-- lists so far, so none is read again while its table is locked.
create domain signature_status as text constraint signature_status_known
  check (value in ('pending', 'challenge_sent', 'completed', 'failed', 'expired', 'aborted'));
--> statement-breakpoint
create domain abort_reason as text constraint abort_reason_known
  check (value in ('customer_cancelled', 'fraud_suspected', 'caller_cancelled', 'operator'));
--> statement-breakpoint
alter table signature
  drop constraint signature_status_known,
  drop constraint signature_abort_reason_known,
  add constraint signature_status_known check (status::signature_status is not null) not valid,
  add constraint signature_abort_reason_known
    check (abort_reason::abort_reason is null or status = 'aborted') not valid;
