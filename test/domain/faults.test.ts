import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import { failureOf, faultsOf } from "../support/domain.ts";

describe("the faults of a request", () => {
  test("are told all at once, in the order they were found", async () => {
    const faults = new Faults();
    faults.text("customer_id", "", 1, 128);
    faults.text("transaction.payee", "x".repeat(141), 1, 140);
    faults.text("first_factor", "a\u0000b", 0, 128);
    faults.add("ttl", "must be from 1 s to 600 s");
    const failure = await failureOf(() => faults.refuseIfAny());
    expect(failure.reason).toBe("INVALID_REQUEST");
    expect(failure.violations).toEqual([
      { field: "customer_id", description: "is required" },
      { field: "transaction.payee", description: "must have at most 140 characters" },
      { field: "first_factor", description: "must not contain control characters or line breaks" },
      { field: "ttl", description: "must be from 1 s to 600 s" },
    ]);
  });

  test("are none where nothing is wrong", () => {
    expect(faultsOf((faults) => faults.text("note", "", 0, 280))).toEqual([]);
  });

  test("never quote what the caller wrote", async () => {
    const faults = new Faults();
    faults.text("customer_id", `secret-${"x".repeat(200)}`, 1, 128);
    const failure = await failureOf(() => faults.refuseIfAny());
    expect(JSON.stringify([failure.message, failure.violations])).not.toContain("secret");
  });

  test("characters are counted in NFC and by code point", () => {
    expect(faultsOf((faults) => faults.text("note", "😀".repeat(5), 0, 5))).toEqual([]);
    expect(faultsOf((faults) => faults.text("note", "e\u0301".repeat(5), 0, 5))).toEqual([]);
    expect(faultsOf((faults) => faults.text("note", "😀".repeat(6), 0, 5))).toHaveLength(1);
    expect(new Faults().text("note", "e\u0301", 0, 5)).toBe("\u00e9");
  });

  test.each(["\u0000", "\t", "\n", "\r", "\u001f", "\u007f", "\u0085", "\u009f", "\u2028", "\u2029"])(
    "%j is refused",
    (character) => {
      expect(faultsOf((faults) => faults.text("note", `a${character}b`, 0, 280))).toHaveLength(1);
    },
  );
});
