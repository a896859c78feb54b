import { describe, expect, test } from "vitest";
import { Faults } from "../../src/domain/faults.ts";
import { measure, toGsm7 } from "../../src/domain/gsm7.ts";
import { maskCode } from "../../src/domain/message.ts";
import { clean, cutTo } from "../../src/domain/message-cleaning.ts";
import { judgeText, shownText } from "../../src/domain/shown-text.ts";
import { parseTransaction } from "../../src/domain/transaction.ts";
import { growthOf } from "../support/cost.ts";
import { costlyUnits, runOf } from "../support/costly-text.ts";
import { aTransaction, faultsOf } from "../support/domain.ts";

/** Linear is 4, the square 16. */
const mostGrowth = 9;

const today = new Date("2026-11-28");
const units = Object.entries(costlyUnits);
// Unicode's canonical order is made in the square of the marks in a row: texts that have more than 30 of them are
// refused before, so that what cleans texts never sees them.
const cleanable = units.filter(([, unit]) => !/^\p{M}+$/u.test(unit));

describe("The cost of a text grows as its length", () => {
  test.each(units)("where it is checked: %s", async (_, unit) => {
    const check = (text: string) => new Faults().text("note", text, 1, 1 << 20);
    expect(await growthOf(check, (bytes) => runOf(unit, bytes))).toBeLessThan(mostGrowth);
  });

  test.each(cleanable)("where it is cleaned: %s", async (_, unit) => {
    expect(await growthOf(clean, (bytes) => runOf(unit, bytes))).toBeLessThan(mostGrowth);
    expect(await growthOf(toGsm7, (bytes) => runOf(unit, bytes))).toBeLessThan(mostGrowth);
  });

  test.each(cleanable)("where it is shown and judged: %s", async (_, unit) => {
    const both = (text: string) => [shownText(text), judgeText(text)];
    expect(await growthOf(both, (bytes) => runOf(unit, bytes))).toBeLessThan(mostGrowth);
  });

  test.each(cleanable)("where it is cut, measured and masked: %s", async (_, unit) => {
    const textOf = (bytes: number) => `x${runOf(unit, bytes)}`;
    expect(await growthOf((text) => cutTo(text, text.length / 2), textOf)).toBeLessThan(mostGrowth);
    expect(await growthOf(measure, textOf)).toBeLessThan(mostGrowth);
    expect(await growthOf((text) => maskCode(text, "482913"), textOf)).toBeLessThan(mostGrowth);
  });
});

test("a payee that is too long is never cleaned: it is refused for its length alone", () => {
  for (const unit of Object.values(costlyUnits)) {
    const payee = runOf(unit, 64 << 10);
    const faults = faultsOf((found) =>
      parseTransaction(found, "transaction", aTransaction({ payee }), today),
    );
    expect(faults).toEqual([{ field: "transaction.payee", description: "must have at most 140 characters" }]);
  }
});

test("a short text with more than 30 combining marks in a row is refused", () => {
  const field = (text: string) => faultsOf((faults) => faults.text("note", text, 1, 280));
  expect(field(`a${"\u0301".repeat(30)}`)).toEqual([]);
  expect(field(`a${"\u0301\u0316".repeat(16)}`)).toEqual([
    { field: "note", description: "must not have more than 30 combining marks in a row" },
  ]);
});

test("two attribute keys that are too long are not called the same", () => {
  const attributes = new Map([
    ["a".repeat(600), "1"],
    ["b".repeat(600), "2"],
  ]);
  const faults = faultsOf((found) =>
    parseTransaction(found, "transaction", aTransaction({ attributes }), today),
  );
  expect(faults).toEqual([
    { field: "transaction.attributes", description: "must have at most 64 characters" },
  ]);
});
