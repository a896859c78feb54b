drop trigger key_history_is_append_only on key_history;
--> statement-breakpoint
drop trigger checkpoint_made_is_append_only on checkpoint_made;
--> statement-breakpoint
drop trigger checkpoint_is_append_only on checkpoint;
--> statement-breakpoint
drop trigger seal_is_append_only on seal;
--> statement-breakpoint
drop function refuse_change();
--> statement-breakpoint
alter domain event_type drop constraint event_type_known;
--> statement-breakpoint
alter domain event_type add constraint event_type_known
  check (value in ('SIGNATURE_STARTED', 'CHALLENGE_CREATED', 'CHALLENGE_SENT', 'CHALLENGE_REFUSED', 'OUTCOME_UNKNOWN',
    'LOOKED_UP', 'DUPLICATE_SENT', 'CHALLENGE_GIVEN_UP', 'CHALLENGE_TAKEN_OVER', 'CHALLENGE_SUPERSEDED',
    'CHALLENGE_DELIVERED', 'CHALLENGE_UNDELIVERED', 'CODE_REJECTED', 'TRANSACTION_MISMATCH', 'SIGNATURE_COMPLETED',
    'SIGNATURE_FAILED', 'SIGNATURE_EXPIRED', 'SIGNATURE_ABORTED'));
--> statement-breakpoint
drop table key_history;
--> statement-breakpoint
drop table checkpoint_made;
--> statement-breakpoint
drop table checkpoint_delivery;
