import fc from "fast-check";

/** What a phone would make tappable. A domain ends in two letters at least, so "S.L." is none. */
export const link = /:\/\/|www\.[^\s.]|[\p{L}\p{N}]\.\p{L}{2}|\d\.\d+\.\d+\.\d/iu;

const fragments = [
  ..."@#./:-?_ 012345…。．＠€",
  ...[
    "\r\n",
    "\u2028",
    "\u202e",
    "\u200b",
    "\u00a0",
    "\ufe0f",
    "http://",
    "https:/",
    "//",
    "www.",
    ".com",
    "evil",
  ],
  ...[
    "482913",
    "es tu codigo",
    "10.0.0.1",
    "bit.ly/x",
    "xn--",
    "á",
    "Ромашка",
    "北京",
    "شركة",
    "😀",
    "\ud800",
    "S.L.",
  ],
];

/** Arbitrary Unicode, and pieces that forge codes, links and lines when they meet. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary", maxLength: 140 }),
  fc.string({ unit: "grapheme", maxLength: 60 }),
  fc.array(fc.constantFrom(...fragments), { maxLength: 30 }).map((pieces) => pieces.join("")),
);
