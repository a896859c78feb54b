-- expand
-- Milliseconds until a window of starts, or of messages, has room again: when the oldest of the `most` latest instants
-- leaves it. As functions, for a statement that refuses nobody would set up the plan of this each time. The statement's
-- own snapshot does not show what came since it began: that leaves the window last of all.
create function room_for_starts(guards bytea[], most integer, at timestamptz) returns double precision
language sql stable as $$
  select extract(epoch from coalesce(max(nth), at) + interval '1 minute' - at) * 1000
  from customer_guard c cross join lateral (
    select i from unnest(c.starts) as i order by i desc offset greatest(most - 1, 0) limit 1
  ) as o (nth)
  where c.pseudonym = any (guards) and nth > at - interval '1 minute'
$$;
--> statement-breakpoint
create function room_for_messages(guards bytea[], most integer, at timestamptz) returns double precision
language sql stable as $$
  select extract(epoch from coalesce(max(nth), at) + interval '10 minutes' - at) * 1000
  from phone_guard c cross join lateral (
    select i from unnest(c.messages) as i order by i desc offset greatest(most - 1, 0) limit 1
  ) as o (nth)
  where c.pseudonym = any (guards) and nth > at - interval '10 minutes'
$$;
