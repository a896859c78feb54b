-- concurrently
-- Not checked against the rows there are: one that only the wider rule allowed stays as it is until it is removed.
alter table challenge
  drop constraint challenge_sent_is_proved,
  add constraint challenge_sent_is_proved
    check (status <> 'sent' or (provider_challenge_id is not null and sent_at is not null)) not valid;
--> statement-breakpoint
drop index concurrently if exists challenge_by_last_look_up;
--> statement-breakpoint
alter table challenge drop column if exists last_look_up_due_at, drop column if exists further_message_ids;
