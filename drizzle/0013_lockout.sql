-- expand
CREATE TABLE "lockout" (
	"customer" "bytea" NOT NULL,
	"caller" text NOT NULL,
	"failed_at" timestamp (3) with time zone[] NOT NULL,
	"failed_for" "bytea"[] NOT NULL,
	"steps" smallint NOT NULL,
	"locked_at" timestamp (3) with time zone,
	"locked_until" timestamp (3) with time zone,
	"last_signature_id" uuid NOT NULL,
	"touched_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "lockout_customer_caller_pk" PRIMARY KEY("customer","caller"),
	CONSTRAINT "lockout_is_pseudonym" CHECK (octet_length("lockout"."customer") = 32),
	CONSTRAINT "lockout_failures_are_whole" CHECK (cardinality("lockout"."failed_at") = cardinality("lockout"."failed_for")),
	CONSTRAINT "lockout_failures_bounded" CHECK (cardinality("lockout"."failed_at") <= 100)
);
--> statement-breakpoint
CREATE INDEX "lockout_by_age" ON "lockout" USING btree ("touched_at") WHERE cardinality("lockout"."failed_at") = 0;--> statement-breakpoint
CREATE INDEX "lockout_failed_by_age" ON "lockout" USING btree ("touched_at") WHERE cardinality("lockout"."failed_at") > 0;--> statement-breakpoint
-- What refuses a customer who is blocked until then. Infinity is until the bank frees the customer: who calls is told to
-- ask again in a day.
create function block_refusal(until timestamptz, now timestamptz, out refusal text, out retry_after_ms double precision)
language sql immutable parallel safe as $$
  select case when isfinite(until) then 'blocked' else 'blocked_until_freed' end,
    case when isfinite(until) then ceil(greatest(1, extract(epoch from until - now) * 1000)) else 86400000 end
$$;
--> statement-breakpoint
-- What a code makes of a row of lockout. A right one forgives the failures for what it was sent to. A wrong one is added;
-- it locks out where, with it, so many failures in a row fall into the window since the latest lockout (null: no number
-- does), for the next of the steps, and where the most are not forgiven, until the bank frees the customer: infinity.
create function lockout_after(
  old_failed_at timestamptz[], old_failed_for bytea[], old_steps smallint, old_locked_at timestamptz,
  judged_at timestamptz, agrees boolean, sent_to bytea[],
  failures_in_a_row integer, in_time interval, step_ms double precision[], most integer
) returns table (
  failed_at timestamptz[], failed_for bytea[], steps smallint, locked_at timestamptz, locked_until timestamptz
)
language plpgsql immutable parallel safe as $$
declare
  in_a_row integer;
  is_full boolean;
begin
  failed_at := old_failed_at;
  failed_for := old_failed_for;
  steps := old_steps;
  locked_at := old_locked_at;
  if agrees then
    if cardinality(old_failed_at) > 0 then
      select coalesce(array_agg(f.at order by f.n), '{}'), coalesce(array_agg(f.was_for order by f.n), '{}')
        into failed_at, failed_for
        from unnest(old_failed_at, old_failed_for) with ordinality as f (at, was_for, n)
        where f.was_for <> all (sent_to);
    end if;
    if cardinality(failed_at) = 0 then
      steps := 0;
    end if;
    return next;
    return;
  end if;
  failed_at := old_failed_at || judged_at;
  failed_for := old_failed_for || sent_to[1];
  is_full := cardinality(failed_at) >= most;
  -- A call that waited for the row may come with an instant before the latest: those after its own count, too.
  select count(*) into in_a_row from unnest(failed_at) as f (at)
    where f.at > judged_at - in_time and f.at > coalesce(old_locked_at, '-infinity');
  if is_full or in_a_row >= failures_in_a_row then
    steps := old_steps + 1;
    locked_at := judged_at;
    locked_until := case when is_full or steps > cardinality(step_ms) then 'infinity'
      else judged_at + make_interval(secs => step_ms[steps] / 1000) end;
  end if;
  return next;
end
$$;
--> statement-breakpoint
-- As the other tables that grow with each signature: see 0004.
do $$
declare
  name text;
begin
  foreach name in array array['customer', 'caller', 'failed_at', 'failed_for', 'steps', 'locked_at', 'locked_until',
    'last_signature_id', 'touched_at']
  loop
    execute format('alter table lockout alter column %I set statistics 10', name);
  end loop;
end
$$;
