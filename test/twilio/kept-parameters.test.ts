import { describe, expect, test } from "vitest";
import { keptParameters } from "../../src/twilio/kept-parameters.ts";

const kept = (params: Record<string, string | string[]>) => JSON.parse(keptParameters("1", params));

describe("keptParameters", () => {
  test("keeps what Twilio told, in its order, names it adds tomorrow included", () => {
    const params = {
      RawDlrDoneDate: "2611222338",
      MessageStatus: "delivered",
      Tomorrow: "x",
      To: "+34600111001",
    };
    expect(keptParameters("2", params)).toBe(
      '{"attempt":"2","RawDlrDoneDate":"2611222338","MessageStatus":"delivered","Tomorrow":"x"}',
    );
  });

  test.each(["To", "ToCity", "ToZip", "ToCountry", "Called", "CalledState", "Body"])(
    "leaves %s out",
    (name) => {
      expect(kept({ [name]: "whatever", MessageSid: "SM1" })).toEqual({ attempt: "1", MessageSid: "SM1" });
    },
  );

  test.each(["+34600111001", "34600111001", "0034 600 111 001", "sms:+34600111001", "600-111-001"])(
    "leaves out %s under any name, where it is the customer's number",
    (value) => {
      expect(kept({ To: "+34600111001", Channel: value, Metadata: ["a", value] })).toEqual({ attempt: "1" });
    },
  );

  test("keeps our own sender, and SIDs whatever digits they have", () => {
    const rest = { From: "+34910000000", MessageSid: `SM${"0111001".padEnd(32, "0")}` };
    expect(kept({ To: "+34600111001", ...rest })).toEqual({ attempt: "1", ...rest });
  });
});
