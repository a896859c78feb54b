-- expand, concurrently
CREATE INDEX CONCURRENTLY "signature_closed_with_guards" ON "signature" USING btree ("closed_at") WHERE "signature"."closed_at" is not null and "signature"."phone_guards" <> '{}';
