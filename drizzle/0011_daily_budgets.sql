-- expand
CREATE TABLE "caller_traffic" (
	"caller" text NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	"messages" integer NOT NULL,
	"completions" integer NOT NULL,
	CONSTRAINT "caller_traffic_caller_since_pk" PRIMARY KEY("caller","since")
);
--> statement-breakpoint
CREATE TABLE "message_budget" (
	"scope" text PRIMARY KEY NOT NULL,
	"hours" timestamp with time zone[] NOT NULL,
	"messages" bigint[] NOT NULL,
	"micros" bigint[] NOT NULL
);
--> statement-breakpoint
ALTER TABLE "prefix_traffic" ADD COLUMN "country" text;--> statement-breakpoint
CREATE INDEX "caller_traffic_by_age" ON "caller_traffic" USING btree ("since");