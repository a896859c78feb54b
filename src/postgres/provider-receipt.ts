import type { DeliveryReceipt } from "../domain/delivery-receipt.ts";
import type { Database } from "./database.ts";

/** Keeps a verified callback as it came; a repeated one, and one about an unknown challenge, adds nothing. */
export async function keepProviderReceipt(db: Database, receipt: DeliveryReceipt): Promise<void> {
  const { sql } = db;
  await sql`
    with ${db.now()}
    insert into provider_receipt (challenge_id, received_at, parameters, proof)
    select c.id, t.now, ${receipt.parameters}, ${receipt.providerProof}
    from t, challenge c
    where c.id = ${receipt.challengeId}::uuid and c.provider = ${receipt.provider} and not exists (
      select from provider_receipt p where p.challenge_id = c.id and p.parameters = ${receipt.parameters}
    )`;
}
