/** What a caller is told about a request that was taken all the same. A closed set; none repeats a value. */
export const warnings = [
  /** The message goes to the number in today's form, or without its trunk prefix. */
  "phone_number_normalised",
  /** The locale is not well-formed: the message is in the default language. */
  "locale_not_understood",
  /** Letters of scripts that no language writes together, as in a name that imitates another. */
  "payee_mixed_scripts",
  "description_mixed_scripts",
  /** A telephone number, an amount, a link or a number like a code is not shown as it came, or nothing is left to show. */
  "payee_altered",
  "description_altered",
] as const;
export type Warning = (typeof warnings)[number];
