// Which scripts a text mixes. No language writes Latin and Cyrillic letters in one name: who does imitates another
// ("Iberdrola" with a Cyrillic o). UTS 39 calls what is allowed here "highly restrictive".

/** Scripts of which letters look like those of another, and the others that names are written in today. */
const scripts = [
  ...["Latin", "Greek", "Cyrillic", "Armenian", "Hebrew", "Arabic", "Han", "Hiragana", "Katakana", "Hangul"],
  ...["Bopomofo", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada"],
  ...[
    "Malayalam",
    "Sinhala",
    "Thai",
    "Lao",
    "Tibetan",
    "Myanmar",
    "Georgian",
    "Ethiopic",
    "Cherokee",
    "Khmer",
  ],
  ...["Mongolian", "Coptic", "Lisu", "Tifinagh", "Vai", "Nko", "Thaana", "Syriac", "Canadian_Aboriginal"],
].map((name): [string, RegExp] => [name, new RegExp(`\\p{Script=${name}}`, "u")]);

/** Letters that several scripts share, e.g. the modifier ʼ and the Japanese prolonged sound mark. */
const shared = /[\p{Script=Common}\p{Script=Inherited}]/u;

/** Written together: Japanese, Chinese with Bopomofo, Korean, each with Latin beside it. */
const together = [
  ["Latin", "Han", "Hiragana", "Katakana"],
  ["Latin", "Han", "Bopomofo"],
  ["Latin", "Han", "Hangul"],
];

export function mixesScripts(text: string): boolean {
  const found = new Set<string>();
  for (const letter of new Set(text.normalize("NFKC").match(/\p{L}/gu))) {
    if (letter <= "\x7f") found.add("Latin");
    else if (!shared.test(letter)) found.add(scripts.find(([, form]) => form.test(letter))?.[0] ?? "another");
  }
  if (found.size < 2) return false;
  return !together.some((set) => [...found].every((script) => set.includes(script)));
}
