import type { Channel } from "../../src/gen/bank/signature/v1/challenge_pb.ts";
import type { aStartRequest } from "../support/grpc-server.ts";

export const transaction = { type: "transfer", payee: "Panadería Sol" };
const amount = (currencyCode: string, units: bigint, nanos = 0) => ({
  transaction: { ...transaction, amount: { currencyCode, units, nanos } },
});

type Change = Parameters<typeof aStartRequest>[0];
/** One change to a good StartSignatureRequest, and the one violation that it leads to. */
export const startFaults: [title: string, change: Change, field: string, description: string][] = [
  ["no idempotency key", { idempotencyKey: "" }, "idempotency_key", "is required"],
  [
    "a key with a blank",
    { idempotencyKey: "a b" },
    "idempotency_key",
    "must be 1 to 128 visible ASCII characters",
  ],
  [
    "a key outside ASCII",
    { idempotencyKey: "ñ" },
    "idempotency_key",
    "must be 1 to 128 visible ASCII characters",
  ],
  [
    "a long key",
    { idempotencyKey: "k".repeat(129) },
    "idempotency_key",
    "must be 1 to 128 visible ASCII characters",
  ],
  ["no customer", { customerId: "" }, "customer_id", "is required"],
  ["a long customer", { customerId: "c".repeat(129) }, "customer_id", "must have at most 128 characters"],
  ["no phone number", { phoneNumber: "" }, "phone_number", "is required"],
  [
    "a national number",
    { phoneNumber: "600000001" },
    "phone_number",
    "must be a phone number in E.164 form such as +34600000001",
  ],
  ["a number too short", { phoneNumber: "+3460000" }, "phone_number", "has too few digits for its country"],
  [
    "an Argentine number without the 9 of mobiles",
    { phoneNumber: "+541123456789" },
    "phone_number",
    "is a fixed line of Argentina: mobile numbers have a 9 after +54",
  ],
  ["no type", { transaction: { ...transaction, type: "" } }, "transaction.type", "is required"],
  [
    "a long type",
    { transaction: { ...transaction, type: "t".repeat(65) } },
    "transaction.type",
    "must have at most 64 characters",
  ],
  ["no payee", { transaction: { ...transaction, payee: "" } }, "transaction.payee", "is required"],
  [
    "a long payee",
    { transaction: { ...transaction, payee: "p".repeat(141) } },
    "transaction.payee",
    "must have at most 140 characters",
  ],
  [
    "a payee of two lines",
    { transaction: { ...transaction, payee: "a\nb" } },
    "transaction.payee",
    "must not contain control characters or line breaks",
  ],
  [
    "a long account",
    { transaction: { ...transaction, payeeAccount: "1".repeat(35) } },
    "transaction.payee_account",
    "must have at most 34 characters",
  ],
  [
    "a long reference",
    { transaction: { ...transaction, reference: "r".repeat(141) } },
    "transaction.reference",
    "must have at most 140 characters",
  ],
  [
    "a long description",
    { transaction: { ...transaction, description: "d".repeat(281) } },
    "transaction.description",
    "must have at most 280 characters",
  ],
  [
    "a long key of an attribute",
    { transaction: { ...transaction, attributes: { ["k".repeat(65)]: "" } } },
    "transaction.attributes",
    "must have at most 64 characters",
  ],
  [
    "a long value of an attribute",
    { transaction: { ...transaction, attributes: { k: "v".repeat(257) } } },
    "transaction.attributes",
    "must have at most 256 characters",
  ],
  [
    "21 attributes",
    { transaction: { ...transaction, attributes: attributes(21) } },
    "transaction.attributes",
    "must have at most 20 entries",
  ],
  [
    "5000 attributes",
    { transaction: { ...transaction, attributes: attributes(5000) } },
    "transaction.attributes",
    "must have at most 20 entries",
  ],
  [
    "an unknown currency",
    amount("XXQ", 1n),
    "transaction.amount.currency_code",
    "must be an ISO 4217 code such as EUR",
  ],
  [
    "a withdrawn currency",
    amount("ANG", 1n),
    "transaction.amount.currency_code",
    "must be a currency that is in use, such as EUR",
  ],
  ["a negative amount", amount("EUR", -1n), "transaction.amount.units", "must not be negative"],
  ["an absurd amount", amount("EUR", 10n ** 12n), "transaction.amount.units", "must be below 10^12"],
  ["nanos out of range", amount("EUR", 1n, -1), "transaction.amount.nanos", "must be from 0 to 999999999"],
  [
    "half a cent",
    amount("EUR", 1n, 5_000_000),
    "transaction.amount.nanos",
    "must be within the minor unit of EUR (2 digits)",
  ],
  [
    "nothing to pay",
    amount("EUR", 0n),
    "transaction.amount",
    "must be more than zero, or left out where nothing is paid",
  ],
  ["a channel of the future", { channel: 9 as Channel }, "channel", "must be a known channel"],
  [
    "a locale without end",
    { locale: `en-x${"-abcdefgh".repeat(28)}` },
    "locale",
    "must have at most 255 characters",
  ],
  ["a ttl of nothing", { ttl: { seconds: 0n, nanos: 0 } }, "ttl", "must be from 1 s to 600 s"],
  [
    "a ttl just under a second",
    { ttl: { seconds: 0n, nanos: 999_999_999 } },
    "ttl",
    "must be from 1 s to 600 s",
  ],
  ["a ttl just over ten minutes", { ttl: { seconds: 600n, nanos: 1 } }, "ttl", "must be from 1 s to 600 s"],
  ["a ttl of the past", { ttl: { seconds: -5n, nanos: 0 } }, "ttl", "must be from 1 s to 600 s"],
  ["a ttl of two signs", { ttl: { seconds: 5n, nanos: -1 } }, "ttl", "must be a well-formed duration"],
  [
    "a ttl with a second of nanos",
    { ttl: { seconds: 5n, nanos: 1_000_000_000 } },
    "ttl",
    "must be a well-formed duration",
  ],
  [
    "a long first factor",
    { firstFactor: "f".repeat(129) },
    "first_factor",
    "must have at most 128 characters",
  ],
];

export function attributes(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, "v"]));
}
