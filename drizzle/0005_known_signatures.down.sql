alter table signature
  drop constraint signature_status_known,
  drop constraint signature_abort_reason_known,
  add constraint signature_status_known
    check (status in ('pending', 'challenge_sent', 'completed', 'failed', 'expired', 'aborted')),
  add constraint signature_abort_reason_known check (abort_reason is null or (status = 'aborted'
    and abort_reason in ('customer_cancelled', 'fraud_suspected', 'caller_cancelled', 'operator')));
--> statement-breakpoint
drop domain signature_status, abort_reason;
