// The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1 and 6.2.1.1). Text within
// it costs one septet a character, 160 to a message; one character outside turns the whole message into
// UCS-2, 70 to a message.

export type SmsEncoding = "GSM-7" | "UCS-2";

export interface SmsMeasure {
  readonly encoding: SmsEncoding;
  /** Septets in GSM-7 (2 for a character of the extension table), UTF-16 code units in UCS-2. */
  readonly units: number;
  readonly segments: number;
  /** The distinct characters outside GSM-7, in order of appearance. */
  readonly outside: readonly string[];
}

const DEFAULT_ALPHABET =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?" +
  "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION_TABLE = "\f^{}\\[~]|€";

const septets: ReadonlyMap<string, number> = new Map([
  ...Array.from(DEFAULT_ALPHABET, (character): [string, number] => [character, 1]),
  ...Array.from(EXTENSION_TABLE, (character): [string, number] => [character, 2]),
]);

const within = new RegExp(
  `^[${`${DEFAULT_ALPHABET}${EXTENSION_TABLE}`.replace(/[\\\]^-]/g, "\\$&")}]*$`,
  "u",
);

/** Septets of a message that is not split. */
export const GSM7_SEGMENT_UNITS = 160;

/** Units of one message, and of each part where there are several (the rest is the concatenation header). */
const CAPACITY: Record<SmsEncoding, { readonly single: number; readonly part: number }> = {
  "GSM-7": { single: GSM7_SEGMENT_UNITS, part: 153 },
  "UCS-2": { single: 70, part: 67 },
};

/**
 * What a text costs as SMS. A part never ends within an extension character or a surrogate pair, so it may
 * close one unit short. An empty text has no segment.
 */
export function measure(text: string): SmsMeasure {
  const outside = new Set<string>();
  let units = 0;
  for (const character of text) {
    const width = septets.get(character);
    if (width === undefined) outside.add(character);
    else units += width;
  }
  if (outside.size === 0)
    return { encoding: "GSM-7", units, segments: segmentsOf(text, "GSM-7", units), outside: [] };
  const segments = segmentsOf(text, "UCS-2", text.length);
  return { encoding: "UCS-2", units: text.length, segments, outside: [...outside] };
}

function segmentsOf(text: string, encoding: SmsEncoding, units: number): number {
  const { single, part } = CAPACITY[encoding];
  if (units <= single) return Math.min(units, 1);
  let segments = 1;
  let used = 0;
  for (const character of text) {
    const width = encoding === "GSM-7" ? (septets.get(character) ?? 1) : character.length;
    if (used + width > part) {
      segments += 1;
      used = 0;
    }
    used += width;
  }
  return segments;
}

// Letters that Unicode does not decompose, and signs whose decomposition is none or reads worse.
const EQUIVALENTS: Readonly<Record<string, string>> = {
  ...{ ł: "l", Ł: "L", đ: "d", Đ: "D", ð: "d", Ð: "D", þ: "th", Þ: "Th", œ: "oe", Œ: "OE", ı: "i" },
  ...{ ħ: "h", Ħ: "H", ŧ: "t", Ŧ: "T", ŋ: "ng", Ŋ: "Ng", ĸ: "k", ẞ: "SS", ƒ: "f", ə: "e", Ə: "E" },
  ...{ ɓ: "b", Ɓ: "B", ɗ: "d", Ɗ: "D", ƙ: "k", Ƙ: "K", ȷ: "j", µ: "u" },
  ...{
    "‘": "'",
    "’": "'",
    "‚": "'",
    "‛": "'",
    "′": "'",
    "`": "'",
    "´": "'",
    ʼ: "'",
    ʻ: "'",
    "‹": "'",
    "›": "'",
  },
  ...{ "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"', "«": '"', "»": '"' },
  ...{ "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "•": "-" },
  // Catalan writes "Instal·lacions"; a full stop there would read as a domain.
  "·": "-",
  ...{
    "…": "...",
    "⁄": "/",
    "∕": "/",
    "×": "x",
    "÷": "/",
    "¦": "|",
    "°": "o",
    "¢": "c",
    "©": "(c)",
    "®": "(R)",
  },
};

// With these, all 24 Greek capitals can be written in GSM-7; Greek names go out so as a rule.
const GREEK_LOOKALIKES: Readonly<Record<string, string>> = {
  ...{ Α: "A", Β: "B", Ε: "E", Ζ: "Z", Η: "H", Ι: "I", Κ: "K", Μ: "M", Ν: "N", Ο: "O", Ρ: "P", Τ: "T" },
  ...{ Υ: "Y", Χ: "X" },
};

/**
 * The text in GSM-7: accents that it lacks are dropped (á to a; é stays), typographic signs become plain,
 * white space and controls become a space (LF, CR and FF stay, they are in GSM-7), Greek becomes capitals.
 * What has no equivalent (Cyrillic, Arabic, Chinese, emoji) is left out.
 */
export function toGsm7(text: string): string {
  if (within.test(text)) return text;
  return Array.from(text.normalize("NFC"), equivalentOf).join("");
}

function equivalentOf(character: string): string {
  if (septets.has(character)) return character;
  const equivalent = EQUIVALENTS[character];
  if (equivalent !== undefined) return equivalent;
  if (/[\p{Z}\p{Cc}]/u.test(character)) return " ";
  const decomposed = character.normalize("NFKD");
  if (decomposed !== character) return Array.from(decomposed, equivalentOf).join("");
  if (!/\p{Script=Greek}/u.test(character)) return "";
  const capital = character.toUpperCase();
  return septets.has(capital) ? capital : (GREEK_LOOKALIKES[capital] ?? "");
}
