const sixDigits = /(?<![\d.,])\d{6}(?![\d]|[.,]\d)/g;

/**
 * The six digits a customer would type, or null: those of the WebOTP line (`@host #123456`)
 * where there is one, else the first after a word for "code", else the first in the text.
 */
export function oneTimeCodeIn(text: string): string | null {
  const autofill = /^@\S+ #(\d{6})$/m.exec(text)?.[1];
  if (autofill !== undefined) return autofill;
  const codes = [...text.matchAll(sixDigits)];
  const word = /c[oó]digo|code|clave/i.exec(text);
  const afterWord = word === null ? undefined : codes.find((code) => code.index > word.index);
  return (afterWord ?? codes[0])?.[0] ?? null;
}
