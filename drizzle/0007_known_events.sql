-- expand
create domain event_type as text constraint event_type_known
  check (value in ('SIGNATURE_STARTED', 'CHALLENGE_CREATED', 'CHALLENGE_SENT', 'CHALLENGE_REFUSED', 'OUTCOME_UNKNOWN',
    'LOOKED_UP', 'DUPLICATE_SENT', 'CHALLENGE_GIVEN_UP', 'CHALLENGE_TAKEN_OVER', 'CHALLENGE_SUPERSEDED',
    'CHALLENGE_DELIVERED', 'CHALLENGE_UNDELIVERED', 'CODE_REJECTED', 'TRANSACTION_MISMATCH', 'SIGNATURE_COMPLETED',
    'SIGNATURE_FAILED', 'SIGNATURE_EXPIRED', 'SIGNATURE_ABORTED'));
--> statement-breakpoint
alter table event
  drop constraint event_type_known,
  add constraint event_type_known check (type::event_type is not null) not valid;
