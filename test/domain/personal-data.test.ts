import { expect, test } from "vitest";
import { personalData } from "../../src/domain/personal-data.ts";

test.each([
  "",
  "customer called",
  "seen twice, 3 attempts",
  "called on 2026-11-28 at 10:30, and 28/11/2026 10:31:02",
  "INC0012345, CASE-12345 and JIRA-4711",
  "signature 01a223a1-cf8c-7395-9694-71a02eaddbaf was doubted",
  "disputes 1200.50 EUR",
  "fraude en curso, cliente avisado",
])("leaves %j", (note) => {
  expect(personalData(note)).toBeUndefined();
});

test.each([
  ["called from 612 34 56 78", "a number"],
  ["+34612345678", "a number"],
  ["6\u200b12345678", "a number"],
  ["６１２３４５６７８", "a number"],
  ["٦١٢٣٤٥٦٧٨", "a number"],
  ["six one two three four five six seven eight", "a number"],
  ["the code was 123456", "a number"],
  ["CODE123456", "a number"],
  ["TEL6123456", "a number"],
  ["DNI 12345678Z", "a number"],
  ["call 2026-11-28 612345678", "a number"],
  ["ana@bank.example", "an e-mail address"],
  ["ana @ bank.example", "an e-mail address"],
  ["ana (at) bank.example", "an e-mail address"],
  ["ana＠bank.example", "an e-mail address"],
  ["ES91 2100 0418 4502 0005 1332", "an IBAN"],
  ["es9121000418450200051332", "an IBAN"],
  ["GB29NWBK60161331926819", "an IBAN"],
  ["MT84 MALT 0110 0001 2345 MTLC AST0 01S", "an IBAN"],
])("finds in %j %s", (note, found) => {
  expect(personalData(note)).toBe(found);
});

test("takes time in proportion to the longest note", () => {
  for (const part of ["1", "a1", "AB12 ", "1:", "@", "ES12 1111 ", "1/1/", "six "]) {
    const from = performance.now();
    personalData(part.repeat(280).slice(0, 280));
    expect(performance.now() - from).toBeLessThan(1000);
  }
});
