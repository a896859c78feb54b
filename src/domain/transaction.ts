import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type { Faults } from "./faults.ts";
import { readable } from "./message-cleaning.ts";
import { type Money, parseMoney } from "./money.ts";

/** What the customer signs; every part of it is bound into the code. Strings are in Unicode NFC. */
export interface Transaction {
  readonly type: string;
  readonly amount: Money | undefined;
  readonly payee: string;
  readonly payeeAccount: string;
  readonly reference: string;
  readonly description: string;
  readonly attributes: ReadonlyMap<string, string>;
}

const mostAttributes = 20;

/** @param today the day on which the currency has to be in use */
export function parseTransaction(faults: Faults, field: string, raw: Transaction, today: Date): Transaction {
  return {
    type: faults.text(`${field}.type`, raw.type, 1, 64),
    amount: raw.amount === undefined ? undefined : parseMoney(faults, `${field}.amount`, raw.amount, today),
    payee: parsePayee(faults, `${field}.payee`, raw.payee),
    payeeAccount: faults.text(`${field}.payee_account`, raw.payeeAccount, 0, 34),
    reference: faults.text(`${field}.reference`, raw.reference, 0, 140),
    description: faults.text(`${field}.description`, raw.description, 0, 280),
    attributes: parseAttributes(faults, `${field}.attributes`, raw.attributes),
  };
}

/** The customer is to see whom they pay (RTS Art. 5): a payee that shows nothing is none. */
function parsePayee(faults: Faults, field: string, raw: string): string {
  const payee = faults.text(field, raw, 1, 140);
  if (payee !== "" && readable(payee).text === "") faults.add(field, "must have visible characters");
  return payee;
}

function parseAttributes(
  faults: Faults,
  field: string,
  raw: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  if (raw.size > mostAttributes) faults.add(field, `must have at most ${mostAttributes} entries`);
  const attributes = new Map<string, string>();
  // The faults name the field and never the key, which is the caller's text.
  for (const [key, value] of raw) {
    if (key === "") faults.add(field, "must not have an empty key");
    const name = faults.text(field, key, 0, 64);
    if (name !== "" && attributes.has(name))
      faults.add(field, "has two keys that are the same in Unicode NFC");
    attributes.set(name, faults.text(field, value, 0, 256));
  }
  return attributes;
}

/** The RFC 8785 (JCS) text that is digested and sealed; decimal strings keep 64-bit numbers exact. */
export function canonicalTransaction(transaction: Transaction): string {
  const { amount } = transaction;
  return canonicalize({
    ...(amount && {
      amount: {
        currency_code: amount.currencyCode,
        nanos: String(amount.nanos),
        units: String(amount.units),
      },
    }),
    attributes: Object.fromEntries(transaction.attributes),
    description: transaction.description,
    payee: transaction.payee,
    payee_account: transaction.payeeAccount,
    reference: transaction.reference,
    type: transaction.type,
  }) as string;
}

/** SHA-256 of the canonical text: 32 bytes. */
export function transactionDigest(transaction: Transaction): Buffer {
  return canonicalDigest(canonicalTransaction(transaction));
}

/** The digest of the transaction that has this canonical text. */
export function canonicalDigest(canonical: string): Buffer {
  return createHash("sha256").update(canonical).digest();
}

/** Reads back what canonicalTransaction wrote, e.g. after it was unsealed. */
export function transactionFromCanonical(text: string): Transaction {
  const raw = JSON.parse(text) as {
    amount?: { currency_code: string; nanos: string; units: string };
    attributes: Record<string, string>;
    description: string;
    payee: string;
    payee_account: string;
    reference: string;
    type: string;
  };
  return {
    type: raw.type,
    amount: raw.amount && {
      currencyCode: raw.amount.currency_code,
      units: BigInt(raw.amount.units),
      nanos: Number(raw.amount.nanos),
    },
    payee: raw.payee,
    payeeAccount: raw.payee_account,
    reference: raw.reference,
    description: raw.description,
    attributes: new Map(Object.entries(raw.attributes)),
  };
}
