/** Units that make a careless expression or algorithm start again at each place of a long run. */
export const costlyUnits: Readonly<Record<string, string>> = {
  letters: "a",
  "Cyrillic with dots": "Жж.",
  labels: "a.",
  "labels and a port": "a.bb:1",
  digits: "1",
  "digits with dots": "1.1",
  "codes that touch": "123-456 ",
  slashes: "/",
  "schemes without an end": "a:",
  dots: ".",
  "brackets and commas": "(-;:,.",
  spaces: " ",
  "no-break spaces": "\u00a0",
  tabs: "\t",
  "zero-width spaces": "\u200b",
  "right-to-left overrides": "\u202e",
  "combining marks out of order": "\u0301\u0316",
  "letters with marks": "a\u0316\u0301",
  "marks up to the limit": `a${"\u0301\u0316".repeat(15)}`,
  "what decomposes": "\ufdfa",
  "Hangul parts": "\u1100\u1161\u11a8",
  "halves of pairs": "\ud800",
  emoji: "👨‍👩‍👧",
  quotes: '"\\',
  "percent signs": "%C3%",
  "hyphens of a language tag": "a-",
  "www.": "www.",
  ats: "@#",
  "telephone numbers": "9.1-1/2 ",
  "numbers and currencies": "5,00 EUR ",
  "numbers in words": "cinco y ",
  "letters between digits": "1l2x",
  "currencies without numbers": "mil EUR E U R ",
};

/** A run of the unit that has at most so many bytes in UTF-8. */
export function runOf(unit: string, bytes: number): string {
  return unit.repeat(Math.floor(bytes / Buffer.byteLength(unit)));
}
