import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { webhookSignature } from "../../src/sandbox/webhook-signature.ts";
import { formParams, isSignedByTwilio } from "../../src/twilio/webhook-signature.ts";

type Params = Record<string, string | string[]>;
const { vectors, url_equivalence } = JSON.parse(
  readFileSync(new URL("../fixtures/twilio-signature-vectors.json", import.meta.url), "utf8"),
) as {
  vectors: {
    name: string;
    type: "form" | "json_bodySHA256";
    authToken: string;
    url: string;
    params?: Params;
    body?: string;
    signature: string;
    valid: boolean;
  }[];
  url_equivalence: {
    cases: { receivedUrl: string; authToken: string; params: Params; signature: string; valid: boolean }[];
  };
};

function form(params: Params): string {
  const pairs = Object.entries(params).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, one]),
  );
  return new URLSearchParams(pairs).toString();
}

describe("isSignedByTwilio", () => {
  test("has all of the vectors to agree with", () => {
    expect(vectors).toHaveLength(33);
    expect(url_equivalence.cases).toHaveLength(5);
  });

  test.each(vectors)(
    "agrees with Twilio's own suites: $name",
    ({ authToken, url, params, body, signature, valid }) => {
      const request = { signature, url, body: body ?? form(params ?? {}) };
      expect(isSignedByTwilio([authToken], request)).toBe(valid);
      expect(isSignedByTwilio(["another token", authToken], request)).toBe(valid);
      expect(isSignedByTwilio(["another token"], request)).toBe(false);
    },
  );

  test.each(url_equivalence.cases)(
    "takes $receivedUrl: $valid",
    ({ authToken, receivedUrl, params, signature, valid }) => {
      const request = { signature, url: receivedUrl, body: form(params) };
      expect(isSignedByTwilio([authToken], request)).toBe(valid);
    },
  );

  const url = "https://bank.example/twilio/status?challenge=1&attempt=1";
  const params = new Map([["MessageSid", "SM1"]]);
  const body = "MessageSid=SM1";

  test("refuses what is signed with an empty token, whichever tokens there are", () => {
    const signature = webhookSignature("", url, params);
    expect(isSignedByTwilio([], { signature, url, body })).toBe(false);
    expect(isSignedByTwilio(["", "token"], { signature, url, body })).toBe(false);
  });

  test("refuses a missing, empty or repeated header and a relative address", () => {
    const signature = webhookSignature("token", url, params);
    expect(isSignedByTwilio(["token"], { signature, url, body })).toBe(true);
    for (const header of [undefined, "", [signature], [signature, signature]]) {
      expect(isSignedByTwilio(["token"], { signature: header, url, body })).toBe(false);
    }
    const relative = "/twilio/status?challenge=1&attempt=1";
    const signed = webhookSignature("token", relative, params);
    expect(isSignedByTwilio(["token"], { signature: signed, url: relative, body })).toBe(false);
  });

  test("counts parameters that no document names, a prototype's name among them", () => {
    const signature = webhookSignature(
      "token",
      url,
      new Map([
        ["__proto__", "x"],
        ["MessageSid", "SM1"],
      ]),
    );
    expect(isSignedByTwilio(["token"], { signature, url, body: "MessageSid=SM1&__proto__=x" })).toBe(true);
    expect(isSignedByTwilio(["token"], { signature, url, body })).toBe(false);
  });

  test("refuses a form under a signature of the address alone", () => {
    const signature = webhookSignature("token", url, new Map());
    expect(isSignedByTwilio(["token"], { signature, url, body })).toBe(false);
  });
});

test("formParams decodes, and gathers what is repeated", () => {
  expect({ ...formParams("a=1+2&b=%2B3&a=%C3%A9&a=") }).toEqual({ a: ["1 2", "é", ""], b: "+3" });
});
