alter table challenge
  drop constraint challenge_status_known,
  drop constraint challenge_channel_known,
  add constraint challenge_status_known check (status in ('pending', 'sent', 'failed', 'delivered', 'superseded',
    'completed', 'expired', 'cancelled')),
  add constraint challenge_channel_known check (channel in ('sms', 'voice', 'push'));
--> statement-breakpoint
drop domain challenge_status, challenge_channel;
