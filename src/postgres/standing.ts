import type { Fragment, Sql } from "postgres";
import type { ChallengeStanding } from "../domain/stores.ts";

/** What is known of a challenge's message, from the alias `c`. */
export function messageColumns(sql: Sql): Fragment {
  return sql`c.provider_challenge_id, c.provider_proof, c.sent_at`;
}

export interface StandingRow {
  readonly version: number;
  readonly provider_challenge_id: string | null;
  readonly provider_proof: string | null;
  readonly sent_at: Date | null;
}

export function toStanding(row: StandingRow): ChallengeStanding {
  const { version, provider_challenge_id: providerChallengeId, provider_proof: providerProof } = row;
  // The SID comes with the time: no statement records one without the other.
  if (providerChallengeId === null || row.sent_at === null) return { version, accepted: undefined };
  return {
    version,
    accepted: { providerChallengeId, providerProof: providerProof ?? "", sentAt: row.sent_at },
  };
}
