// GSM 03.38 (3GPP TS 23.038, 6.2.1): the characters of one septet, and those that take two.
const basic =
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const extended = "\f^{}\\[~]|€";

const septets = new Map<string, number>([
  ...[...basic].map((character) => [character, 1] as const),
  ...[...extended].map((character) => [character, 2] as const),
]);

export type Segmentation = { encoding: "GSM-7" | "UCS-2"; segments: number; units: number };

/**
 * How a text travels: one SMS holds 160 septets or 70 UTF-16 units; in a longer text each
 * part holds 153 or 67, the rest is the concatenation header (3GPP TS 23.040, 9.2.3.24.1).
 */
export function segmentsOf(text: string): Segmentation {
  let units = 0;
  for (const character of text) {
    const width = septets.get(character);
    if (width === undefined) return counted("UCS-2", text.length, 70, 67);
    units += width;
  }
  return counted("GSM-7", units, 160, 153);
}

function counted(encoding: Segmentation["encoding"], units: number, single: number, part: number) {
  return { encoding, units, segments: units <= single ? 1 : Math.ceil(units / part) };
}
