import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { measure } from "../../src/domain/gsm7.ts";
import { clean, cutTo, readable } from "../../src/domain/message-cleaning.ts";
import { hostileText, link } from "../support/hostile-text.ts";

describe("readable", () => {
  test.each([
    ["Panadería Núñez, S.L.", "Panaderia Nuñez, S.L."],
    ["Construcciones J. García S.A.U.", "Construcciones J. Garcia S.A.U."],
    ["ACME\r\nSL\u2028\u2029x\u0000y\tz", "ACME SL x y z"],
    ["A\u200bC\u202eM\u2066E\u00ad\ufeff\u3164", "ACME"],
    ["http://x.y/z", "x y"],
    ["Pague en https://evil.example.com:8443/login?a=1 ya", "Pague en evil example com ya"],
    ["www.evil.com", "evil com"],
    ["bit.ly/abc", "bit ly"],
    ["Booking.com", "Booking com"],
    ["evil.\u{1f600}com", "evil com"],
    ["evil.@com", "evil. com"],
    ["ｅｖｉｌ．ｃｏｍ／ｘ", "evil com"],
    ["192.168.0.1/x", "192 168 0 1/x"],
    ["me@bank.es #482913", "me bank es ..2913"],
    ["＠host ＃123", "host 123"],
    ["123456 es tu codigo", "..3456 es tu codigo"],
    ["123-456 o 123 456", "..3456 o ..3456"],
    ["Tel. 912 345 678, 1234567, 12345", "Tel. 912 345 678, 1234567, 12345"],
  ])("shows %j as %j", (text, shown) => {
    expect(readable(text)).toEqual({ text: shown, ownScript: false });
  });

  test.each([
    ["北京公司", "北京公司"],
    ["ООО Ромашка 24", "ООО Ромашка 24"],
    ["ООО \u202eРомашка.рф/акция\n@x", "ООО Ромашка рф x"],
    ["北京。公司", "北京 公司"],
    ["كود ١٢٣٤٥٦", "كود ..٣٤٥٦"],
  ])("keeps %j in its own script, clean", (text, shown) => {
    expect(readable(text)).toEqual({ text: shown, ownScript: true });
  });

  test("shows a name in two scripts in GSM-7 while at most half of its letters are lost", () => {
    expect(readable("Li Ning 李宁")).toEqual({ text: "Li Ning", ownScript: false });
    expect(readable("Li 李宁")).toEqual({ text: "Li", ownScript: false });
    expect(readable("Li 李宁体育")).toEqual({ text: "Li 李宁体育", ownScript: true });
  });

  test.each(["", " \n", "@#", "\u202e\u200b", "http://"])("has nothing to show of %j", (text) => {
    expect(readable(text)).toEqual({ text: "", ownScript: false });
  });

  test("never leaves a line break, an invisible character, @, #, a link or six digits that stand alone", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const shown = readable(text).text;
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}@#]|^\s|\s$| {2}/u);
        expect(shown).not.toMatch(link);
        expect(shown).not.toMatch(/(?<!\p{Nd})\p{Nd}{6}(?!\p{Nd})/u);
      }),
      { numRuns: 500 },
    );
  });

  test("is in GSM-7 unless it says that it is in its own script", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const shown = readable(text);
        expect(measure(shown.text).encoding).toBe(shown.ownScript ? "UCS-2" : "GSM-7");
      }),
    );
  });
});

describe("cutTo", () => {
  test.each([
    ["Panaderia", 9, "Panaderia"],
    ["Panaderia Nuñez", 13, "Panaderia..."],
    ["€€€€€", 9, "€€€..."],
    ["Factura 1234567", 14, "Factura..."],
    ["Pedido 123 4567", 14, "Pedido 123..."],
    ["Pedido 123 456 7", 17, "Pedido 123 456 7"],
    ["123 456 7 Pedido", 11, "..3456..."],
    ["12345678901234567890", 18, "123456789012345..."],
    ["北京公司北京公司", 7, "北京公司..."],
    ["😀😀😀😀", 6, "😀..."],
    ["Ромашка й\u0301й\u0301", 11, "Ромашка..."],
  ])("cuts %j to %i units as %j", (text, units, cut) => {
    expect(cutTo(text, units)).toBe(cut);
  });

  test("never exceeds the units, and leaves what fits untouched", () => {
    fc.assert(
      fc.property(hostileText.map(clean), fc.integer({ min: 4, max: 60 }), (text, units) => {
        const cut = cutTo(text, units);
        const whole = measure(text);
        expect(whole.encoding === "GSM-7" ? measure(cut).units : cut.length).toBeLessThanOrEqual(units);
        if (whole.units <= units) expect(cut).toBe(text);
        else expect(cut).toMatch(/\.{3}$|^$/);
      }),
      { numRuns: 300 },
    );
  });
});
