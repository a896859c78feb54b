-- expand
CREATE INDEX "seal_by_day" ON "seal" USING btree ((("sealed_at" at time zone 'UTC')::date),"signature_id","length");