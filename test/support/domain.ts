import type { ClaimedReceipt } from "../../src/domain/delivery-receipt.ts";
import { Failure, type Violation } from "../../src/domain/failure.ts";
import { Faults } from "../../src/domain/faults.ts";
import type { Transaction } from "../../src/domain/transaction.ts";

export function aTransaction(over: Partial<Transaction> = {}): Transaction {
  return {
    type: "transfer",
    amount: { currencyCode: "EUR", units: 12n, nanos: 500_000_000 },
    payee: "Panadería Sol",
    payeeAccount: "ES9121000418450200051332",
    reference: "invoice 42",
    description: "Pan de mayo",
    attributes: new Map(),
    ...over,
  };
}

/** A callback about the message `sid` of a challenge: delivered, unless told otherwise. */
export function aReceipt(
  challengeId: string,
  sid: string,
  over: Partial<ClaimedReceipt> = {},
): ClaimedReceipt {
  return {
    provider: "twilio",
    challengeId,
    attempt: 1,
    providerChallengeId: sid,
    status: "delivered",
    providerErrorCode: undefined,
    foreignAccount: false,
    destinations: [],
    parameters: JSON.stringify({ MessageSid: sid, MessageStatus: over.status ?? "delivered" }),
    providerProof: "proof of a receipt",
    ...over,
  };
}

/** The faults that a check finds. */
export function faultsOf(check: (faults: Faults) => unknown): readonly Violation[] {
  const faults = new Faults();
  check(faults);
  try {
    faults.refuseIfAny();
    return [];
  } catch (error) {
    if (error instanceof Failure) return error.violations;
    throw error;
  }
}

/** The Failure that a step ends with. */
export async function failureOf(step: unknown): Promise<Failure> {
  try {
    await (typeof step === "function" ? step() : step);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
