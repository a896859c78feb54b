import { describe, expect, test } from "vitest";
import { validated } from "./credentials-of-tests.ts";

const sid = (prefix: string) => prefix + "0a".repeat(16);

function faultsOf(changes: Record<string, string | undefined>): string[] {
  const result = validated(changes);
  return "faults" in result ? result.faults.map(({ field }) => field) : [];
}

describe("validateCredentials", () => {
  test.each([
    {},
    { accountSid: sid("AC").toUpperCase() },
    { fromNumber: "ACME Bank" },
    { fromNumber: "12345" },
    { fromNumber: undefined, messagingServiceSid: sid("MG") },
    { fromNumber: "", messagingServiceSid: sid("MG") },
    { apiKeySid: sid("SK"), apiKeySecret: "s3cret" },
    { authTokenPrevious: "the-token-before" },
    { authTokenPrevious: "" },
  ])("takes %j", (changes) => {
    expect(faultsOf(changes)).toEqual([]);
  });

  test.each([
    [{ accountSid: undefined }, ["accountSid"]],
    [{ accountSid: sid("SK") }, ["accountSid"]],
    [{ accountSid: `${sid("AC")}0` }, ["accountSid"]],
    [{ authToken: undefined }, ["authToken"]],
    [{ authToken: "" }, ["authToken"]],
    [{ authToken: " \n" }, ["authToken"]],
    [{ authToken: "two words" }, ["authToken"]],
    [{ fromNumber: undefined }, ["fromNumber"]],
    [{ fromNumber: "600111001x" }, []],
    [{ fromNumber: "+0600111001" }, ["fromNumber"]],
    [{ fromNumber: "ACME Bank of Spain" }, ["fromNumber"]],
    [{ messagingServiceSid: sid("MG") }, ["fromNumber"]],
    [{ fromNumber: undefined, messagingServiceSid: sid("AC") }, ["messagingServiceSid"]],
    [{ apiKeySid: sid("SK") }, ["apiKeySecret"]],
    [{ apiKeySecret: "s3cret" }, ["apiKeySid"]],
    [{ apiKeySid: sid("AC"), apiKeySecret: "s3cret" }, ["apiKeySid"]],
    [{ accountSid: "AC", authToken: "", fromNumber: "?" }, ["accountSid", "fromNumber", "authToken"]],
  ])("finds the faults of %j", (changes, faults) => {
    expect(faultsOf(changes)).toEqual(faults);
  });

  test("trims what stands around a value", () => {
    const result = validated({ accountSid: ` ${sid("AC")}\n`, authToken: "token\r\n" });
    expect(result).toMatchObject({ credentials: { accountSid: sid("AC"), authToken: "token" } });
  });

  test("never quotes a value", () => {
    expect(JSON.stringify(validated({ accountSid: "leaked-1", authToken: "leaked 2" }))).not.toMatch(
      /leaked/,
    );
  });
});
