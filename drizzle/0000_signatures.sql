-- expand
CREATE TABLE "caller_grants" (
	"caller" text PRIMARY KEY NOT NULL,
	"granted_at" timestamp with time zone[] NOT NULL,
	"counts" integer[] NOT NULL
);
--> statement-breakpoint
CREATE TABLE "challenge" (
	"id" uuid PRIMARY KEY NOT NULL,
	"signature_id" uuid NOT NULL,
	"number" smallint NOT NULL,
	"channel" text NOT NULL,
	"provider" text NOT NULL,
	"status" text NOT NULL,
	"masked_destination" text NOT NULL,
	"brand" text NOT NULL,
	"web_otp_host" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"sent_at" timestamp (3) with time zone,
	"delivered_at" timestamp (3) with time zone,
	"provider_challenge_id" text,
	"provider_proof" text,
	"provider_error_code" text,
	"calls" smallint NOT NULL,
	"calls_left" smallint NOT NULL,
	"first_call_at" timestamp (3) with time zone NOT NULL,
	"last_call_at" timestamp (3) with time zone NOT NULL,
	"look_ups" smallint NOT NULL,
	"lease_epoch" integer NOT NULL,
	"lease_until" timestamp (3) with time zone,
	"lease_parked" boolean NOT NULL,
	"feedback_due_at" timestamp (3) with time zone,
	"redact_due_at" timestamp (3) with time zone,
	CONSTRAINT "challenge_status_known" CHECK ("challenge"."status" in ('pending', 'sent', 'failed', 'delivered', 'superseded', 'completed', 'expired', 'cancelled')),
	CONSTRAINT "challenge_channel_known" CHECK ("challenge"."channel" in ('sms', 'voice', 'push')),
	CONSTRAINT "challenge_calls_bounded" CHECK ("challenge"."calls" >= 0 and "challenge"."calls_left" >= 0),
	CONSTRAINT "challenge_sent_is_proved" CHECK ("challenge"."status" <> 'sent' or ("challenge"."provider_challenge_id" is not null and "challenge"."sent_at" is not null)),
	CONSTRAINT "challenge_destination_masked" CHECK ("challenge"."masked_destination" like '+%*** *** %')
);
--> statement-breakpoint
CREATE TABLE "checkpoint" (
	"day" date PRIMARY KEY NOT NULL,
	"seals" integer NOT NULL,
	"digest" "bytea" NOT NULL,
	"previous" "bytea" NOT NULL,
	"key_id" text NOT NULL,
	"signature" "bytea" NOT NULL,
	CONSTRAINT "checkpoint_digest_is_sha256" CHECK (octet_length("checkpoint"."digest") = 32),
	CONSTRAINT "checkpoint_signature_is_ed25519" CHECK (octet_length("checkpoint"."signature") = 64)
);
--> statement-breakpoint
CREATE TABLE "customer_guard" (
	"pseudonym" "bytea" PRIMARY KEY NOT NULL,
	"starts" timestamp (3) with time zone[] NOT NULL,
	"wrong_codes" timestamp (3) with time zone[] NOT NULL,
	"blocked_until" timestamp (3) with time zone,
	"touched_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "customer_guard_is_pseudonym" CHECK (octet_length("customer_guard"."pseudonym") = 32)
);
--> statement-breakpoint
CREATE TABLE "event" (
	"signature_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"type" text NOT NULL,
	"details" text NOT NULL,
	"hash" "bytea" NOT NULL,
	CONSTRAINT "event_signature_id_number_pk" PRIMARY KEY("signature_id","number"),
	CONSTRAINT "event_type_known" CHECK ("event"."type" in ('SIGNATURE_STARTED', 'CHALLENGE_CREATED', 'CHALLENGE_SENT', 'CHALLENGE_REFUSED', 'OUTCOME_UNKNOWN', 'LOOKED_UP', 'DUPLICATE_SENT', 'CHALLENGE_GIVEN_UP', 'CHALLENGE_TAKEN_OVER', 'CHALLENGE_SUPERSEDED', 'CHALLENGE_DELIVERED', 'CHALLENGE_UNDELIVERED', 'CODE_REJECTED', 'TRANSACTION_MISMATCH', 'SIGNATURE_COMPLETED', 'SIGNATURE_FAILED', 'SIGNATURE_EXPIRED', 'SIGNATURE_ABORTED')),
	CONSTRAINT "event_hash_is_sha256" CHECK (octet_length("event"."hash") = 32)
);
--> statement-breakpoint
CREATE TABLE "idempotency_key" (
	"caller" text NOT NULL,
	"scope" text NOT NULL,
	"key" text NOT NULL,
	"fingerprint" "bytea" NOT NULL,
	"fingerprint_key_id" text NOT NULL,
	"signature_id" uuid NOT NULL,
	"challenge_id" uuid NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_key_per_caller" PRIMARY KEY("caller","scope","key"),
	CONSTRAINT "idempotency_fingerprint_is_keyed" CHECK (octet_length("idempotency_key"."fingerprint") = 32)
);
--> statement-breakpoint
CREATE TABLE "installation" (
	"single" smallint PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	CONSTRAINT "installation_is_single" CHECK ("installation"."single" = 1),
	CONSTRAINT "installation_kind_known" CHECK ("installation"."kind" in ('sandbox', 'live'))
);
--> statement-breakpoint
CREATE TABLE "known_key" (
	"ring" text NOT NULL,
	"key_id" text NOT NULL,
	"check_value" "bytea" NOT NULL,
	CONSTRAINT "known_key_ring_key_id_pk" PRIMARY KEY("ring","key_id")
);
--> statement-breakpoint
CREATE TABLE "operator_order" (
	"id" uuid PRIMARY KEY NOT NULL,
	"ordered_at" timestamp (3) with time zone NOT NULL,
	"ordered_by" text NOT NULL,
	"command" text NOT NULL,
	"parameters" text NOT NULL,
	"taken_until" timestamp (3) with time zone,
	"done_at" timestamp (3) with time zone,
	"result" text
);
--> statement-breakpoint
CREATE TABLE "phone_guard" (
	"pseudonym" "bytea" PRIMARY KEY NOT NULL,
	"messages" timestamp (3) with time zone[] NOT NULL,
	"blocked_until" timestamp (3) with time zone,
	"touched_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "phone_guard_is_pseudonym" CHECK (octet_length("phone_guard"."pseudonym") = 32)
);
--> statement-breakpoint
CREATE TABLE "prefix_traffic" (
	"prefix" text NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	"messages" integer NOT NULL,
	"completions" integer NOT NULL,
	CONSTRAINT "prefix_traffic_prefix_since_pk" PRIMARY KEY("prefix","since"),
	CONSTRAINT "prefix_traffic_is_prefix" CHECK ("prefix_traffic"."prefix" ~ '^\+[0-9]{1,11}$')
);
--> statement-breakpoint
CREATE TABLE "provider_rate" (
	"provider" text PRIMARY KEY NOT NULL,
	"next_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "provider_receipt" (
	"challenge_id" uuid NOT NULL,
	"number" integer GENERATED ALWAYS AS IDENTITY (sequence name "provider_receipt_number_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"received_at" timestamp (3) with time zone NOT NULL,
	"parameters" text NOT NULL,
	"proof" text NOT NULL,
	CONSTRAINT "provider_receipt_challenge_id_number_pk" PRIMARY KEY("challenge_id","number")
);
--> statement-breakpoint
CREATE TABLE "receipt" (
	"signature_id" uuid PRIMARY KEY NOT NULL,
	"jws" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "seal" (
	"signature_id" uuid NOT NULL,
	"length" integer NOT NULL,
	"head" "bytea" NOT NULL,
	"key_id" text NOT NULL,
	"signature" "bytea" NOT NULL,
	"sealed_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "seal_signature_id_length_pk" PRIMARY KEY("signature_id","length"),
	CONSTRAINT "seal_head_is_sha256" CHECK (octet_length("seal"."head") = 32),
	CONSTRAINT "seal_signature_is_ed25519" CHECK (octet_length("seal"."signature") = 64)
);
--> statement-breakpoint
CREATE TABLE "signature" (
	"id" uuid PRIMARY KEY NOT NULL,
	"caller" text NOT NULL,
	"customer_pseudonym" "bytea" NOT NULL,
	"customer_key_id" text NOT NULL,
	"customer_guards" "bytea"[] NOT NULL,
	"phone_guards" "bytea"[] NOT NULL,
	"status" text NOT NULL,
	"transaction_digest" "bytea" NOT NULL,
	"transaction_sealed" "bytea" NOT NULL,
	"phone_sealed" "bytea",
	"seal_key_id" text NOT NULL,
	"code_nonce" "bytea" NOT NULL,
	"code_key_id" text NOT NULL,
	"attempts_remaining" smallint NOT NULL,
	"locale" text NOT NULL,
	"first_factor" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"closed_at" timestamp (3) with time zone,
	"abort_reason" text,
	"challenges" smallint NOT NULL,
	"chain_length" integer NOT NULL,
	"chain_head" "bytea" NOT NULL,
	"sealed_length" integer NOT NULL,
	CONSTRAINT "signature_status_known" CHECK ("signature"."status" in ('pending', 'challenge_sent', 'completed', 'failed', 'expired', 'aborted')),
	CONSTRAINT "signature_attempts_bounded" CHECK ("signature"."attempts_remaining" between 0 and 5),
	CONSTRAINT "signature_closed_has_time" CHECK (("signature"."closed_at" is null) = ("signature"."status" in ('pending', 'challenge_sent'))),
	CONSTRAINT "signature_failed_has_no_attempts" CHECK ("signature"."status" <> 'failed' or "signature"."attempts_remaining" = 0),
	CONSTRAINT "signature_abort_reason_known" CHECK ("signature"."abort_reason" is null or ("signature"."status" = 'aborted' and "signature"."abort_reason" in ('customer_cancelled', 'fraud_suspected', 'caller_cancelled', 'operator'))),
	CONSTRAINT "signature_lives" CHECK ("signature"."expires_at" > "signature"."created_at"),
	CONSTRAINT "signature_customer_is_pseudonym" CHECK (octet_length("signature"."customer_pseudonym") = 32),
	CONSTRAINT "signature_digest_is_sha256" CHECK (octet_length("signature"."transaction_digest") = 32),
	CONSTRAINT "signature_nonce_is_32_bytes" CHECK (octet_length("signature"."code_nonce") = 32),
	CONSTRAINT "signature_chain_head_is_sha256" CHECK (octet_length("signature"."chain_head") = 32),
	CONSTRAINT "signature_chain_grows" CHECK ("signature"."chain_length" > 0)
);
--> statement-breakpoint
ALTER TABLE "challenge" ADD CONSTRAINT "challenge_signature_id_signature_id_fk" FOREIGN KEY ("signature_id") REFERENCES "public"."signature"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "event" ADD CONSTRAINT "event_signature_id_signature_id_fk" FOREIGN KEY ("signature_id") REFERENCES "public"."signature"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "provider_receipt" ADD CONSTRAINT "provider_receipt_challenge_id_challenge_id_fk" FOREIGN KEY ("challenge_id") REFERENCES "public"."challenge"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "receipt" ADD CONSTRAINT "receipt_signature_id_signature_id_fk" FOREIGN KEY ("signature_id") REFERENCES "public"."signature"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "challenge_number_per_signature" ON "challenge" USING btree ("signature_id","number");--> statement-breakpoint
CREATE UNIQUE INDEX "challenge_one_open_per_signature" ON "challenge" USING btree ("signature_id") WHERE "challenge"."status" in ('pending', 'sent', 'failed', 'delivered');--> statement-breakpoint
CREATE UNIQUE INDEX "challenge_provider_challenge_id" ON "challenge" USING btree ("provider","provider_challenge_id");--> statement-breakpoint
CREATE INDEX "challenge_by_lease" ON "challenge" USING btree ("lease_until") WHERE "challenge"."lease_until" is not null;--> statement-breakpoint
CREATE INDEX "challenge_by_feedback" ON "challenge" USING btree ("feedback_due_at") WHERE "challenge"."feedback_due_at" is not null;--> statement-breakpoint
CREATE INDEX "challenge_by_redaction" ON "challenge" USING btree ("redact_due_at") WHERE "challenge"."redact_due_at" is not null;--> statement-breakpoint
CREATE INDEX "customer_guard_by_age" ON "customer_guard" USING btree ("touched_at");--> statement-breakpoint
CREATE INDEX "idempotency_key_by_age" ON "idempotency_key" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "operator_order_open" ON "operator_order" USING btree ("ordered_at") WHERE "operator_order"."done_at" is null;--> statement-breakpoint
CREATE INDEX "phone_guard_by_age" ON "phone_guard" USING btree ("touched_at");--> statement-breakpoint
CREATE INDEX "prefix_traffic_by_age" ON "prefix_traffic" USING btree ("since");--> statement-breakpoint
CREATE INDEX "seal_by_time" ON "seal" USING btree ("sealed_at");--> statement-breakpoint
CREATE INDEX "signature_by_closure" ON "signature" USING btree ("closed_at") WHERE "signature"."closed_at" is not null;--> statement-breakpoint
CREATE INDEX "signature_to_seal" ON "signature" USING btree ("closed_at") WHERE "signature"."closed_at" is not null and "signature"."sealed_length" < "signature"."chain_length";--> statement-breakpoint
CREATE INDEX "signature_closed_with_phone" ON "signature" USING btree ("closed_at") WHERE "signature"."closed_at" is not null and "signature"."phone_sealed" is not null;--> statement-breakpoint
CREATE INDEX "signature_open_by_expiry" ON "signature" USING btree ("expires_at") WHERE "signature"."status" in ('pending', 'challenge_sent');