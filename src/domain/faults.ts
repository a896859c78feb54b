import { Failure, type Violation } from "./failure.ts";

// NFC makes one code point of four at most, each of two UTF-16 units at most: what has more is too long unread.
const mostUnitsOfOne = 4 * 2;
// Normalising sorts marks in the square of their number: 32,000 of them take 10 s. 30 is what no language needs
// (UAX #15, 13, Stream-Safe Text Format).
const tooManyMarks = /\p{M}{31}/u;

// C0, DEL, C1 and the line and paragraph separators: nothing that a bank writes on purpose.
const controlCharacter = /[\p{Cc}\u2028\u2029]/u;

/** Collects every fault of one request, so that the caller learns of all of them at once. */
export class Faults {
  readonly #violations: Violation[] = [];

  add(field: string, description: string): void {
    const known = this.#violations.some(
      (other) => other.field === field && other.description === description,
    );
    if (!known) this.#violations.push({ field, description });
  }

  /**
   * A string in Unicode NFC of `least` to `most` characters (code points), without control characters.
   * @returns "" for one that is too long or cannot be normalised at a bounded cost: nothing is done with it
   */
  text(field: string, value: string, least: number, most: number): string {
    if (value.length > most * mostUnitsOfOne) return this.#tooLong(field, most);
    if (tooManyMarks.test(value)) {
      this.add(field, "must not have more than 30 combining marks in a row");
      return "";
    }
    const text = value.normalize("NFC");
    if ([...text].length > most) return this.#tooLong(field, most);
    if (text === "" && least > 0) this.add(field, "is required");
    else if (controlCharacter.test(text))
      this.add(field, "must not contain control characters or line breaks");
    return text;
  }

  #tooLong(field: string, most: number): "" {
    this.add(field, `must have at most ${most} characters`);
    return "";
  }

  /** @throws Failure INVALID_REQUEST with every fault collected so far. */
  refuseIfAny(): void {
    if (this.#violations.length === 0) return;
    const fields = [...new Set(this.#violations.map((violation) => violation.field))];
    throw new Failure("INVALID_REQUEST", `the request has faults in ${fields.join(", ")}`, {
      violations: this.#violations,
    });
  }
}
