/** Digits from the end of a number by which it is found in another parameter, whatever stands before them. */
const tailDigits = 7;

/** Numbers that a callback may name; of one with more, only ids are kept. Twilio's have two. */
const mostNumbers = 8;

/** About the customer's number, or what was written to it. */
const isAboutCustomer = (name: string) => /^(To|Called)([A-Z]|$)|^Body$/.test(name);

/**
 * What is kept of a callback, as JSON text: all that Twilio told but the customer's number, under whatever
 * name it comes, and the text, which holds the code.
 * @param params decoded, a repeated one as an array
 */
export function keptParameters(
  attempt: string,
  params: Readonly<Record<string, string | readonly string[]>>,
): string {
  const numbers = [params["To"], params["Called"]].flatMap((value) => value ?? []);
  const tails = numbers.slice(0, mostNumbers).map((number) => number.replace(/\D/g, "").slice(-tailDigits));
  const holdsNumber = (value: string) => {
    if (numbers.length > mostNumbers) return true;
    const compact = value.replace(/[\s().-]/g, "");
    return tails.some((tail) => tail.length === tailDigits && compact.includes(tail));
  };
  const kept = Object.entries(params).filter(([name, value]) => {
    return !isAboutCustomer(name) && (name.endsWith("Sid") || ![value].flat().some(holdsNumber));
  });
  return JSON.stringify(Object.fromEntries([["attempt", attempt], ...kept]));
}
