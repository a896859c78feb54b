/** A longer one is refused: BCP 47 sets no limit, and what names a language, a region and extensions is far shorter. */
export const longestLocale = 255;

/**
 * The canonical form of a BCP 47 tag, extensions included; undefined where it is not well-formed. An underscore
 * (es_MX, as Java and POSIX write it) is read as a hyphen.
 */
export function canonicalLocale(tag: string): string | undefined {
  if (tag.length > longestLocale) return undefined;
  try {
    return Intl.getCanonicalLocales(tag.replaceAll("_", "-"))[0];
  } catch {
    // RangeError: not well-formed.
    return undefined;
  }
}
