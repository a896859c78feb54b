import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { measure, toGsm7 } from "../../src/domain/gsm7.ts";

const unicode = fc.string({ unit: "binary", maxLength: 200 });

describe("measure", () => {
  test.each([
    ["", "GSM-7", 0, 0],
    ["a".repeat(160), "GSM-7", 160, 1],
    ["a".repeat(161), "GSM-7", 161, 2],
    ["a".repeat(306), "GSM-7", 306, 2],
    ["a".repeat(307), "GSM-7", 307, 3],
    ["€".repeat(80), "GSM-7", 160, 1],
    ["я".repeat(70), "UCS-2", 70, 1],
    ["я".repeat(71), "UCS-2", 71, 2],
    ["я".repeat(134), "UCS-2", 134, 2],
    ["я".repeat(135), "UCS-2", 135, 3],
    ["😀".repeat(35), "UCS-2", 70, 1],
  ])("counts %j", (text, encoding, units, segments) => {
    expect(measure(text)).toMatchObject({ encoding, units, segments });
  });

  test("does not split an extension character between two parts", () => {
    expect(measure(`${"a".repeat(152)}€${"a".repeat(152)}`)).toMatchObject({ units: 306, segments: 3 });
    expect(measure(`${"a".repeat(151)}€${"a".repeat(153)}`)).toMatchObject({ units: 306, segments: 2 });
  });

  test("does not split a surrogate pair between two parts", () => {
    expect(measure(`${"я".repeat(66)}😀${"я".repeat(66)}`)).toMatchObject({ units: 134, segments: 3 });
    expect(measure(`${"я".repeat(65)}😀${"я".repeat(67)}`)).toMatchObject({ units: 134, segments: 2 });
  });

  test("names each character outside GSM-7 once", () => {
    expect(measure("código, operación, ç 😀").outside).toEqual(["ó", "ç", "😀"]);
  });

  test("knows all 127 characters of the default alphabet and the ten of its extension", () => {
    const known = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).map(measure);
    const septets = known.filter(({ encoding }) => encoding === "GSM-7").map(({ units }) => units);
    expect(septets.filter((units) => units === 1)).toHaveLength(127);
    expect(septets.filter((units) => units === 2)).toHaveLength(10);
  });
});

describe("toGsm7", () => {
  test.each([
    ["áíóúçÁÍÓÚ", "aioucAIOU"],
    ["éèùìòñÑüÜöÖäÄåæøßÇà", "éèùìòñÑüÜöÖäÄåæøßÇà"],
    ["a\u0301 e\u0301", "a é"],
    ["“Łódź” – ‘Đà Nẵng’ — Œuvre…", "\"Lodz\" - 'Dà Nang' - OEuvre..."],
    ["İstanbul ışık Þór Ðorđe ș ț ő ű", "Istanbul isik Thor Dorde s t o u"],
    ["10\u00a0000\u202f€ ＡＢＣ ﬁn nº 1ª", "10 000 € ABC fin no 1a"],
    ["Instal·lacions Gal·la", "Instal-lacions Gal-la"],
    ["Ελλάδα Αθήνα ΨΩ", "EΛΛAΔA AΘHNA ΨΩ"],
    ["Ромашка 北京 شركة 😀", "   "],
  ])("writes %j as %j", (text, expected) => {
    expect(toGsm7(text)).toBe(expected);
  });

  test("yields GSM-7 only, and the same when applied twice", () => {
    fc.assert(
      fc.property(unicode, (text) => {
        const once = toGsm7(text);
        expect(measure(once).outside).toEqual([]);
        expect(toGsm7(once)).toBe(once);
      }),
    );
  });

  test("leaves text that is in GSM-7 as it is", () => {
    const gsm7 = fc.string({ unit: fc.constantFrom(..."@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤!az09^{}\\[~]|€") });
    fc.assert(
      fc.property(gsm7, (text) => {
        expect(toGsm7(text)).toBe(text);
      }),
    );
  });
});
