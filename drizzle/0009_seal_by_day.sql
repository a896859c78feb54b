-- expand, concurrently
-- recorded as d9590a604f25f9f544f0281fa671c2e945a7968eb4b7784923901be41217d678: the same in one transaction, which locked the table while the index was built.
CREATE INDEX CONCURRENTLY "seal_by_day" ON "seal" USING btree ((("sealed_at" at time zone 'UTC')::date),"signature_id","length");