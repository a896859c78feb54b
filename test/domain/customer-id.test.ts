import fc from "fast-check";
import { expect, test } from "vitest";
import { countedCustomerId } from "../../src/domain/customer-id.ts";

test("spellings of one id are one customer", () => {
  const spellings = [
    "Cust-4711",
    "cust-4711",
    "CUST-4711",
    " Cust-4711",
    "Cust -4711 ",
    "Cust-4711\u00a0",
    "Cust\u200b-4711",
    "Cust-47\u200d11",
    "\ufeffCust-4711",
    "Cust\u2060-4711",
    "Cust\u00ad-4711",
    "Ｃｕｓｔ-４７１１",
    "𝐂𝐮𝐬𝐭-4711",
    "Cust-4711\ufe0f",
    "\u2007Cust-4711",
  ];
  expect(new Set(spellings.map(countedCustomerId))).toEqual(new Set(["cust-4711"]));
  expect(countedCustomerId("Straße")).toBe(countedCustomerId("STRASSE"));
  expect(countedCustomerId("cust-4712")).not.toBe(countedCustomerId("cust-4711"));
  expect(countedCustomerId(" \u200b\ufeff")).toBe("");
});

test("the counted form is its own counted form", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (id) => {
      const counted = countedCustomerId(id);
      expect(countedCustomerId(counted)).toBe(counted);
      expect(countedCustomerId(id.toUpperCase())).toBe(countedCustomerId(id.toUpperCase().toLowerCase()));
    }),
  );
});
