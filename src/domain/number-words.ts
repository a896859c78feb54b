// Numbers as words, in the languages of the templates, and what is said of telephones and money beside them.

const words = (text: string) => text.trim().split(/\s+/);

/** How many digits each stands for where a telephone number is spelled. */
const digitsOf: ReadonlyMap<string, number> = new Map([
  ...words("cero uno una dos tres cuatro cinco seis siete ocho nueve").map((word) => [word, 1] as const),
  ...words("zero oh one two three four five six seven eight nine").map((word) => [word, 1] as const),
  ...words(
    "diez once doce trece catorce quince dieciseis diecisiete dieciocho diecinueve veinte veintiuno",
  ).map((word) => [word, 2] as const),
  ...words("veintidos veintitres veinticuatro veinticinco veintiseis veintisiete veintiocho veintinueve").map(
    (word) => [word, 2] as const,
  ),
  ...words("treinta cuarenta cincuenta sesenta setenta ochenta noventa").map((word) => [word, 2] as const),
  ...words(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty",
  ).map((word) => [word, 2] as const),
  ...words("forty fifty sixty seventy eighty ninety").map((word) => [word, 2] as const),
  ...words(
    "cien ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos",
  ).map((word) => [word, 3] as const),
  ["novecientos", 3],
]);

/** Letters of Cyrillic and Greek that look like Latin ones, for words that are spelled with them. */
const lookalikes = new Map(
  Array.from("АВЕКМНОРСТУХЅІЈасеорухіјѕΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", (letter, at): [string, string] => [
    letter,
    "ABEKMHOPCTYXSIJaceopyxijsABEZHIKMNOPTYXo"[at]!,
  ]),
);

/** A word in lower case, without accents, with letters that look Latin as Latin ones. */
export function folded(word: string): string {
  if (/^[A-Za-z]+$/.test(word)) return word.toLowerCase();
  const latin = Array.from(word, (letter) => lookalikes.get(letter) ?? letter).join("");
  return latin.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Of a folded word; 0 where it is no number. */
export function spelledDigits(word: string): number {
  return digitsOf.get(word) ?? 0;
}

const quantities = new Set(words("un mil millon medio hundred thousand million half"));

/** Of a folded word: a number of money that is no digit of a telephone number, as in "mil euros". */
export function isQuantity(word: string): boolean {
  return quantities.has(word);
}

const calling = new Set(
  words(`llame llama llamar llamad llamanos llamenos llamando marque marca marcar telefono telefonos tel telf tlf tfno
    tfn movil fijo whatsapp wasap sms envie enviar responda call calling dial phone telephone text ring contact
    contacte contactar helpline hotline`),
);

/** Whether a number of three to five digits after the folded word is to be called. */
export function isCalling(word: string): boolean {
  return calling.has(word);
}

const moneyWords = new Set(
  words(`euro euros eur dolar dolares dollar dollars pesos libras pounds pound yenes yen centimos centimo centavos cent
    cents cts pavos bucks usd soles reales francos rublos rubles colones quetzales lempiras cordobas balboas guaranies
    bolivares bolivianos rupias rupees yuanes yuan zloty zlotys`),
);
const moneyStems = words(
  "евро руб долл гривен тенге دينار درهم ريال ليرة يورو دولار جنيه 元 円 圆 원 บาท रुपय",
);

/** Currencies by name, as they stand after a number. */
export function isMoneyWord(word: string): boolean {
  return moneyWords.has(folded(word)) || moneyStems.some((stem) => word.toLowerCase().startsWith(stem));
}

const multipliers = new Set(
  words("mil miles millon millones million millions hundred thousand k m mm de of"),
);

/** What may stand between a number and its currency. */
export function isMultiplier(word: string): boolean {
  return multipliers.has(word);
}
