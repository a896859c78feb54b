import { describe, expect, test } from "vitest";
import { Failure } from "../../src/domain/failure.ts";
import { LeaseLost, ProviderError } from "../../src/domain/provider.ts";
import { describeError } from "../../src/telemetry/error-description.ts";
import { foreignErrors, personal } from "./foreign-errors.ts";

describe("the description of an error", () => {
  test("holds nothing of the texts and properties of foreign errors", () => {
    for (const error of foreignErrors()) {
      const text = JSON.stringify(describeError(error));
      for (const part of personal) expect(text, `${error.name}: ${text}`).not.toContain(part);
    }
  });

  test("keeps class, SQLSTATE, constraint and frames of a database error below a query error", () => {
    const [database, query] = foreignErrors();
    expect(describeError(database)).toMatchObject({
      name: "PostgresError",
      code: "23505",
      constraint: "challenge_sid_unique",
      message: undefined,
    });
    const described = describeError(query);
    expect(described).toMatchObject({
      name: "DrizzleQueryError",
      code: "23505",
      causes: "PostgresError 23505",
    });
    expect(described.stack).toMatch(/^at foreignErrors \(.*foreign-errors\.ts:\d+:\d+\)/);
  });

  test("keeps the numeric code of Twilio and the name of a network fault", () => {
    const codes = foreignErrors().map((error) => describeError(error).code);
    expect(codes).toContain("21211");
    expect(codes).toContain("UND_ERR_CONNECT_TIMEOUT");
  });

  test("prints the messages of our own errors", () => {
    expect(describeError(new Failure("SIGNATURE_CLOSED", "the signature is closed"))).toMatchObject({
      name: "Failure",
      code: "SIGNATURE_CLOSED",
      message: "the signature is closed",
    });
    const details = {
      provider: "twilio",
      providerErrorCode: "timeout",
      outcome: "unknown",
      retryable: true,
    } as const;
    expect(describeError(new ProviderError(details))).toMatchObject({
      code: "timeout",
      message: "twilio: unknown (timeout)",
    });
    expect(describeError(new LeaseLost()).message).toContain("lease");
  });

  test("has frames for errors without a text, and for those of Node with a code in their head", () => {
    const silent = new RangeError();
    let ofNode: unknown;
    try {
      Buffer.alloc(-1);
    } catch (error) {
      ofNode = error;
    }
    expect(describeError(silent).stack).toMatch(/error-description\.test\.ts/);
    expect(describeError(ofNode)).toMatchObject({
      code: "ERR_OUT_OF_RANGE",
      stack: expect.stringContaining("error-description.test.ts"),
    });
  });

  test("survives whatever is thrown", () => {
    const cyclic = new Error("a");
    cyclic.cause = cyclic;
    expect(describeError(cyclic).causes?.split(" < ").length).toBeLessThan(10);
    expect(describeError("a text with +34600123456")).toMatchObject({ name: "string", stack: undefined });
    expect(describeError(undefined).name).toBe("undefined");
    expect(describeError(null).code).toBeUndefined();
  });
});
