import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { measure } from "../../src/domain/gsm7.ts";
import { judgeText, shownText } from "../../src/domain/shown-text.ts";
import { hostileText, link } from "../support/hostile-text.ts";

const fourDigitsAtMost = /(?:\p{Nd}[ ().+-]{0,2}){6,}/u;

describe("a telephone number", () => {
  test.each([
    ["FRAUDE? Llame al 911234567 ya", "FRAUDE? Llame al ..4567 ya"],
    ["Si no fue usted llame +34 911 23 45 67", "Si no fue usted llame ..4567"],
    ["Llame al 9.1.1.2.3.4.5.6.7", "Llame al ..4567"],
    ["9 1 1 2 3 4 5 6 7", "..4567"],
    ["911-234-567", "..4567"],
    ["911/23/45/67", "..4567"],
    ["911_234_567", "..4567"],
    ["91 - 123 - 45 - 67", "..4567"],
    ["+1 (415) 555-2671", "..2671"],
    ["(91) 123-45-67", "..4567"],
    ["0034911234567", "..4567"],
    ["９１１２３４５６７", "..4567"],
    ["⑨①①②③④⑤⑥⑦", "..4567"],
    ["𝟗𝟏𝟏𝟐𝟑𝟒𝟓𝟔𝟕", "..4567"],
    ["9️⃣1️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣", "..4567"],
    ["٩١١٢٣٤٥٦٧ كود", "..٤٥٦٧ كود"],
    ["9l1 23 45 67", "..4567"],
    ["91I2345O7", "..3457"],
    ["91x123x45x67", "..4567"],
    ["9\u200b1\u200b1\u200b2\u200b3\u200b4\u200b5\u200b6\u200b7", "..4567"],
    ["Llame al nueve uno uno dos tres cuatro cinco", "Llame al .."],
    ["novecientos once, veintitrés, cuarenta y cinco SL", ".. SL"],
    ["Call nine one one 2345", "Call ..2345"],
    ["Llame al 017", "Llame al .."],
    ["Envíe ALTA al 25568", "Envie ALTA al .."],
    ["tel:911", "tel:.."],
    ["1-800-FLOWERS", "..-FLOWERS"],
    ["ES91 2100 0418 4502 0005 1332", "ES..1332"],
  ])("in %j is hidden: %j", (text, shown) => {
    expect(shownText(text).text).toBe(shown);
    expect(judgeText(text).altered).toBe(true);
  });
});

test.each(["\u{1f44d}".repeat(3), "\u{1f1ea}\u{1f1fa}", "\u2788\u2780", "--", "@\u202e#"])(
  "of which nothing can be shown is told to the caller: %j",
  (text) => {
    expect(shownText(text).text).toBe("");
    expect(judgeText(text).altered).toBe(true);
  },
);

test("that is not there is not altered", () => {
  expect(judgeText("").altered).toBe(false);
});

describe("an amount", () => {
  test.each([
    ["سوق 5,00 EUR", "سوق .."],
    ["Mercado 5,00 EUR", "Mercado .."],
    ["Mercado 5 EUR", "Mercado .."],
    ["Mercado EUR 5", "Mercado .."],
    ["Mercado EUR: 1.250,00", "Mercado .."],
    ["Mercado 5EUR", "Mercado .."],
    ["Mercado 5 eur", "Mercado .."],
    ["Mercado 5 E U R", "Mercado .."],
    ["Mercado ５,００ ＥＵＲ", "Mercado .."],
    ["Mercado 5 \u0415UR", "Mercado .."],
    ["Mercado €5", "Mercado .."],
    ["Mercado US$ 5.00", "Mercado .."],
    ["Mercado 5 euros", "Mercado .."],
    ["Mercado cinco euros", "Mercado .."],
    ["Mercado 5 mil euros", "Mercado .."],
    ["Mercado mil euros", "Mercado .."],
    ["Mercado un euro", "Mercado .."],
    ["Mercado un millón de pesos", "Mercado .."],
    ["Market one hundred thousand dollars", "Market .."],
    ["Mercado 5 colones", "Mercado .."],
    ["Mercado cinco quetzales", "Mercado .."],
    ["Mercado 5 millones de dólares", "Mercado .."],
    ["Mercado 5 000 EUR", "Mercado .."],
    ["Mercado 12.50", "Mercado .."],
    ["Mercado 5 XCG", "Mercado .."],
    ["Mercado EUR", "Mercado .."],
    ["北京公司 5元", "北京公司 .."],
  ])("in %j is hidden: %j", (text, shown) => {
    expect(shownText(text).text).toBe(shown);
    expect(judgeText(text).altered).toBe(true);
  });
});

test.each([
  ...[
    "Farmacia 24 Horas",
    "Gran Via 12345",
    "Talleres 2000 SL",
    "7-Eleven",
    "3M",
    "Euro 6000 SA",
    "TOP 40",
    "AMD 5",
  ],
  ...[
    "Cien Montaditos",
    "Tres Cuatro Cinco",
    "Factura 2024/118",
    "01/02/2024",
    "4x4 2000",
    "C&A",
    "Km 12,5",
    "Real 2000",
  ],
  ...["Canal 9", "Studio 54", "Garaje 24/7", "ALL IN ONE SL", "Bar 1984"],
  ...["Mil Hojas SL", "Un Sol SL", "Media Markt", "Half Moon Bay", "Tres Coronas"],
])("what is neither stays: %s", (text) => {
  expect(shownText(text)).toEqual({ text, ownScript: false });
  expect(judgeText(text)).toEqual({ altered: false, mixedScripts: false });
});

describe("a name", () => {
  test.each([
    ["Panadería Núñez, S.L.", "Panaderia Nuñez, S.L.", false],
    ["ΑΒΓ Δέλτα", "ABΓ ΔEΛTA", false],
    ["𝐈𝐛𝐞𝐫𝐝𝐫𝐨𝐥𝐚", "Iberdrola", false],
    ["Iberdr\u043ela", "Iberdr\u043ela", true],
    ["Li Ning 李宁", "Li Ning 李宁", true],
    ["ООО Ромашка 24", "ООО Ромашка 24", true],
    ["Café 😀 Пушкин ❾", "Café Пушкин", true],
    ["شركة ٢٤", "شركة ٢٤", true],
  ])("%j never loses a letter: %j, in UCS-2 %s", (text, shown, ownScript) => {
    expect(shownText(text)).toEqual({ text: shown, ownScript });
  });

  test.each(["", "@#", "\u202e", "5,00 EUR", "http://", "EUR"])(
    "of nothing is shown as nothing: %j",
    (text) => {
      expect(shownText(text)).toEqual({ text: "", ownScript: false });
    },
  );

  test.each([
    ["Iberdr\u043ela", true],
    ["\u0391CME", true],
    ["سوق EUR", true],
    ["Яндекс Go", true],
    ["Li Ning 李宁", false],
    ["東京タワー Tower ひかり", false],
    ["삼성 SDI 三星", false],
    ["ООО Ромашка", false],
    ["𝐀cme ＳＬ", false],
    ["李宁 삼성 ひかり", true],
    ["Ca\u0301sa ʼ ª º", false],
  ])("%j mixes scripts that no language mixes: %s", (text, mixed) => {
    expect(judgeText(text).mixedScripts).toBe(mixed);
  });
});

const pieces = [
  ..."0123456789".split(""),
  ...[
    "91",
    "123",
    "4567",
    "911234567",
    " ",
    ".",
    "-",
    "/",
    "+34",
    "(",
    ")",
    ",",
    "x",
    "l",
    "O",
    "９",
    "①",
    "٣",
  ],
  ...[
    "EUR",
    "€",
    "$",
    "euros",
    "E U R",
    "mil",
    "cinco",
    "nueve",
    "Llame al",
    "Mercado",
    "Ромашка",
    "北京",
    "y",
    "5,00",
    "1.250,50",
  ],
];
const numbersAndWords = fc
  .array(fc.constantFrom(...pieces), { maxLength: 25 })
  .map((parts) => parts.join(""));

describe("any text", () => {
  test("shows no telephone number and no amount, however they are put together", () => {
    fc.assert(
      fc.property(numbersAndWords, (text) => {
        const shown = shownText(text).text;
        expect(shown.replaceAll("/", "x")).not.toMatch(fourDigitsAtMost);
        expect(shown).not.toMatch(
          /\p{Nd} ?(?:[€$]|(?:EUR|euros)(?!\p{L}))|(?:(?<!\p{L})EUR|[€$]) ?\p{Nd}|\p{Nd}[.,']\p{Nd}{2}(?!\p{Nd})/u,
        );
      }),
      { numRuns: 1000 },
    );
  });

  test("is shown on one line without links, codes and signs that bind a code, and says its encoding", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const shown = shownText(text);
        expect(shown.text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}@#]|^\s|\s$| {2}/u);
        expect(shown.text).not.toMatch(link);
        expect(shown.text).not.toMatch(/(?<!\p{Nd})\p{Nd}{6}(?!\p{Nd})/u);
        expect(measure(shown.text).encoding).toBe(shown.ownScript ? "UCS-2" : "GSM-7");
      }),
      { numRuns: 500 },
    );
  });

  test("keeps every letter, in GSM-7 or as it is, where nothing is hidden", () => {
    // Modifier letters such as U+02BC become signs.
    const letters = (text: string) =>
      (text.normalize("NFKC").match(/[\p{Lu}\p{Ll}\p{Lt}\p{Lo}]/gu) ?? []).length;
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), (text) => {
        fc.pre(!judgeText(text).altered && !/[\p{Default_Ignorable_Code_Point}\p{No}]/u.test(text));
        expect(letters(shownText(text).text)).toBeGreaterThanOrEqual(letters(text));
      }),
      { numRuns: 500 },
    );
  });
});
