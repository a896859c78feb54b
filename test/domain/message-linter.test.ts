import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BRAND_AND_HOST_MAX_UNITS, BRAND_MAX_UNITS } from "../../src/domain/message.ts";
import { lintTemplates } from "../../src/domain/message-linter.ts";
import { messageTemplates } from "../../src/domain/message-templates.ts";

const faults = (input: Parameters<typeof lintTemplates>[0]) =>
  lintTemplates(input).flatMap(({ template, fault }) =>
    fault === undefined ? [] : [`${template} ${fault}`],
  );
const withSpanish = (changes: Partial<(typeof messageTemplates)["es"]>) => ({
  ...messageTemplates,
  es: { ...messageTemplates.es, ...changes },
});

describe("lintTemplates", () => {
  test("reports encoding, size and segments of every template in both languages", () => {
    const findings = lintTemplates({});
    expect(findings.map(({ template }) => template)).toEqual([
      ...["es/payment", "es/operation", "es/payment/own-script", "es/operation/own-script"],
      ...["en/payment", "en/operation", "en/payment/own-script", "en/operation/own-script"],
    ]);
    for (const { template, encoding, segments, outside, fault } of findings) {
      const ownScript = template.endsWith("/own-script");
      expect({ encoding, segments, outside, fault }).toEqual(
        ownScript
          ? { encoding: "UCS-2", segments: 2, outside: ["Ж"], fault: undefined }
          : { encoding: "GSM-7", segments: 1, outside: [], fault: undefined },
      );
    }
  });

  test("reports only the languages it is asked for", () => {
    expect(lintTemplates({ languages: ["en"] }).every(({ template }) => template.startsWith("en/"))).toBe(
      true,
    );
  });

  test("finds no fault with any brand and host within their limits", () => {
    const lengths = fc.tuple(fc.integer({ min: 1, max: BRAND_MAX_UNITS }), fc.integer({ min: 4, max: 40 }));
    fc.assert(
      fc.property(lengths, ([brand, host]) => {
        fc.pre(brand + host <= BRAND_AND_HOST_MAX_UNITS);
        expect(faults({ brand: "B".repeat(brand), webOtpHost: ".es".padStart(host, "h") })).toEqual([]);
      }),
    );
  });

  test.each(["", "Caja Álava", "B".repeat(21), "banco@x", "banco.es", "Banco\nX", "Банк", "{}{}{}{}{}{"])(
    "refuses the brand %j",
    (brand) => {
      expect(faults({ brand })).toEqual([expect.stringMatching(/^brand must be 1 to 20 GSM-7 characters/)]);
    },
  );

  test.each([
    "",
    "localhost",
    "Banco.es",
    "https://banco.es",
    "banco.es/x",
    "banco.es:443",
    "bánco.es",
    "-x.es",
  ])("refuses the host %j", (webOtpHost) => {
    expect(faults({ webOtpHost })).toContainEqual(
      expect.stringMatching(/^webotp-host must be a lower-case host name/),
    );
  });

  test("refuses a host that leaves no room beside the brand", () => {
    const found = faults({ brand: "B".repeat(20), webOtpHost: ".es".padStart(40, "h") });
    expect(found).toContain("webotp-host brand and host together must not exceed 50 characters");
    expect(found).toContainEqual(expect.stringMatching(/^en\/payment leaves \d+ characters for the payee/));
  });

  test("refuses a template that leaves GSM-7", () => {
    const templates = withSpanish({ validity: (minutes) => `Válido ${minutes} min.` });
    expect(faults({ templates })).toEqual([
      "es/payment leaves GSM-7 with á",
      "es/operation leaves GSM-7 with á",
      "es/payment/own-script leaves GSM-7 with á",
      "es/operation/own-script leaves GSM-7 with á",
    ]);
  });

  test("refuses a template that does not fit in its segments", () => {
    const templates = withSpanish({
      validity: (minutes) => `Caduca en ${minutes} min. ${"Atencion. ".repeat(20)}`,
    });
    expect(faults({ templates })).toEqual([
      "es/payment takes 2 segments",
      "es/operation takes 2 segments",
      expect.stringMatching(/^es\/payment\/own-script leaves 0 characters for the payee/),
      expect.stringMatching(/^es\/operation\/own-script leaves 0 characters for the payee/),
    ]);
  });
});
