-- expand
create domain challenge_status as text constraint challenge_status_known
  check (value in ('pending', 'sent', 'failed', 'delivered', 'superseded', 'completed', 'expired', 'cancelled'));
--> statement-breakpoint
create domain challenge_channel as text constraint challenge_channel_known check (value in ('sms', 'voice', 'push'));
--> statement-breakpoint
alter table challenge
  drop constraint challenge_status_known,
  drop constraint challenge_channel_known,
  add constraint challenge_status_known check (status::challenge_status is not null) not valid,
  add constraint challenge_channel_known check (channel::challenge_channel is not null) not valid;
