import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import {
  canonicalTransaction,
  parseTransaction,
  type Transaction,
  transactionDigest,
  transactionFromCanonical,
} from "../../src/domain/transaction.ts";
import { aTransaction, faultsOf } from "../support/domain.ts";

const today = new Date("2026-01-15");
const sha256 = (text: string) => createHash("sha256").update(Buffer.from(text, "utf8")).digest("hex");

/** Each text is the RFC 8785 JSON of its transaction, written by hand. */
const vectors: [what: string, over: Partial<Transaction>, json: string][] = [
  [
    "a payment",
    {},
    '{"amount":{"currency_code":"EUR","nanos":"500000000","units":"12"},"attributes":{},"description":"Pan de mayo","payee":"Panadería Sol","payee_account":"ES9121000418450200051332","reference":"invoice 42","type":"transfer"}',
  ],
  [
    "nothing to pay: the amount is left out",
    { type: "mandate", amount: undefined, payeeAccount: "", reference: "", description: "" },
    '{"attributes":{},"description":"","payee":"Panadería Sol","payee_account":"","reference":"","type":"mandate"}',
  ],
  [
    "attributes in the order of their UTF-16 units, whatever order they came in",
    {
      amount: undefined,
      attributes: new Map([
        ["é", "4"],
        ["b", "2"],
        ["😀", "5"],
        ["10", "1"],
        ["a", "3"],
        ["Z", "6"],
        ["Ａ", "7"],
      ]),
    },
    '{"attributes":{"10":"1","Z":"6","a":"3","b":"2","é":"4","😀":"5","Ａ":"7"},"description":"Pan de mayo","payee":"Panadería Sol","payee_account":"ES9121000418450200051332","reference":"invoice 42","type":"transfer"}',
  ],
  [
    "quotes, backslashes, slashes and emoji",
    { amount: undefined, payee: 'Bar "El \\ Gato" 😺', reference: "a/b<c>&d", description: "€ ‰" },
    '{"attributes":{},"description":"€ ‰","payee":"Bar \\"El \\\\ Gato\\" 😺","payee_account":"ES9121000418450200051332","reference":"a/b<c>&d","type":"transfer"}',
  ],
  [
    "an amount beyond 2^53 keeps every digit",
    { amount: { currencyCode: "CLF", units: 999_999_999_999n, nanos: 999_900_000 } },
    '{"amount":{"currency_code":"CLF","nanos":"999900000","units":"999999999999"},"attributes":{},"description":"Pan de mayo","payee":"Panadería Sol","payee_account":"ES9121000418450200051332","reference":"invoice 42","type":"transfer"}',
  ],
  [
    "names that objects know",
    {
      amount: undefined,
      attributes: new Map([
        ["toJSON", "x"],
        ["__proto__", "y"],
        ["constructor", "z"],
      ]),
    },
    '{"attributes":{"__proto__":"y","constructor":"z","toJSON":"x"},"description":"Pan de mayo","payee":"Panadería Sol","payee_account":"ES9121000418450200051332","reference":"invoice 42","type":"transfer"}',
  ],
];

const parsed = (over: Partial<Transaction>) =>
  parseTransaction(new Faults(), "transaction", aTransaction(over), today);

describe("the transaction digest", () => {
  test.each(vectors)("%s", (_, over, json) => {
    const transaction = parsed(over);
    expect(canonicalTransaction(transaction)).toBe(json);
    expect(transactionDigest(transaction).toString("hex")).toBe(sha256(json));
  });

  test("is the same for the same text in another Unicode form", () => {
    const composed = parsed({ payee: "Panader\u00eda Sol", attributes: new Map([["\u00e9", "\u00f1"]]) });
    const decomposed = parsed({
      payee: "Panaderi\u0301a Sol",
      attributes: new Map([["e\u0301", "n\u0303"]]),
    });
    expect(transactionDigest(decomposed)).toEqual(transactionDigest(composed));
  });

  test("does not depend on the order of fields or attributes", () => {
    const pairs = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.string()), {
      maxLength: 20,
      selector: ([key]) => key,
    });
    fc.assert(
      fc.property(pairs, fc.integer({ min: 0 }), (attributes, turn) => {
        const at = attributes.length === 0 ? 0 : turn % attributes.length;
        const turned = [...attributes.slice(at), ...attributes.slice(0, at)];
        const one = aTransaction({ attributes: new Map(attributes) });
        const reversed = Object.fromEntries(Object.entries(one).reverse()) as unknown as Transaction;
        expect(transactionDigest({ ...reversed, attributes: new Map(turned) })).toEqual(
          transactionDigest(one),
        );
      }),
    );
  });

  test.each<[field: string, over: Partial<Transaction>]>([
    ["type", { type: "card_payment" }],
    ["amount", { amount: { currencyCode: "EUR", units: 12n, nanos: 510_000_000 } }],
    ["absence of an amount", { amount: undefined }],
    ["payee", { payee: "Panaderia Sol" }],
    ["payee_account", { payeeAccount: "" }],
    ["reference", { reference: "invoice 43" }],
    ["description", { description: "" }],
    ["attributes", { attributes: new Map([["risk_level", "high"]]) }],
  ])("covers the %s", (_, over) => {
    expect(transactionDigest(aTransaction(over))).not.toEqual(transactionDigest(aTransaction()));
  });

  test("the canonical text reads back as the same transaction", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 20 });
    const any = fc.record({
      ...{ type: text, payee: text, payeeAccount: text, reference: text, description: text },
      amount: fc.option(
        fc.record({
          currencyCode: fc.constantFrom("EUR", "JPY"),
          units: fc.bigInt({ min: 0n, max: 10n ** 12n }),
          nanos: fc.integer({ min: 0, max: 999_999_999 }),
        }),
        { nil: undefined },
      ),
      attributes: fc.array(fc.tuple(text, text), { maxLength: 5 }).map((pairs) => new Map(pairs)),
    });
    fc.assert(
      fc.property(any, (transaction) => {
        const read = transactionFromCanonical(canonicalTransaction(transaction));
        expect(canonicalTransaction(read)).toBe(canonicalTransaction(transaction));
        expect(read).toEqual({ ...transaction, attributes: expect.any(Map) });
        expect(new Map(read.attributes)).toEqual(transaction.attributes);
      }),
    );
  });
});

describe("the bounds of a transaction", () => {
  const fields = (over: Partial<Transaction>) =>
    faultsOf((faults) => parseTransaction(faults, "transaction", aTransaction(over), today)).map(
      (fault) => fault.field,
    );
  const attributes = (count: number, key = "k", value = "v") =>
    new Map(Array.from({ length: count }, (_, n) => [`${key}${n}`, value]));

  test.each<
    [field: string, least: Partial<Transaction>, most: Partial<Transaction>, over: Partial<Transaction>]
  >([
    ["type", { type: "t" }, { type: "t".repeat(64) }, { type: "t".repeat(65) }],
    ["payee", { payee: "p" }, { payee: "😀".repeat(140) }, { payee: "😀".repeat(141) }],
    [
      "payee_account",
      { payeeAccount: "" },
      { payeeAccount: "1".repeat(34) },
      { payeeAccount: "1".repeat(35) },
    ],
    ["reference", { reference: "" }, { reference: "r".repeat(140) }, { reference: "r".repeat(141) }],
    ["description", { description: "" }, { description: "d".repeat(280) }, { description: "d".repeat(281) }],
    ["attributes", {}, { attributes: attributes(20) }, { attributes: attributes(21) }],
    [
      "attributes",
      { attributes: new Map([["k", ""]]) },
      { attributes: new Map([["k".repeat(64), "v".repeat(256)]]) },
      { attributes: new Map([["k".repeat(65), "v".repeat(257)]]) },
    ],
  ])("%s", (field, least, most, over) => {
    expect(fields(least)).toEqual([]);
    expect(fields(most)).toEqual([]);
    expect(new Set(fields(over))).toEqual(new Set([`transaction.${field}`]));
  });

  test("type and payee are required, keys too, and two keys may not be the same in NFC", () => {
    expect(fields({ type: "", payee: "" })).toEqual(["transaction.type", "transaction.payee"]);
    expect(fields({ attributes: new Map([["", "v"]]) })).toEqual(["transaction.attributes"]);
    const twice = new Map([
      ["\u00e9", "1"],
      ["e\u0301", "2"],
    ]);
    expect(fields({ attributes: twice })).toEqual(["transaction.attributes"]);
  });
});
