import { type TwilioCredentials, validateCredentials } from "../../src/twilio/credentials.ts";
import type { EvidenceKey } from "../../src/twilio/proof.ts";
import { accountSid, authToken, sender } from "../support/twilio-sandbox.ts";

/** Of the account that the double knows. */
export const credentials: TwilioCredentials = { accountSid, authToken, fromNumber: sender };

export const evidence: EvidenceKey = { id: "e1", key: Buffer.alloc(32, 7) };

/** The credentials that a set of values gives, or its faults. */
export function validated(changes: Record<string, string | undefined>) {
  return validateCredentials({ ...credentials, ...changes });
}
