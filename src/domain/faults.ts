import { Failure, type Violation } from "./failure.ts";

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

  /** A string in Unicode NFC of `least` to `most` characters (code points), without control characters. */
  text(field: string, value: string, least: number, most: number): string {
    const text = value.normalize("NFC");
    // A string of n code points has at most 2n UTF-16 units, so a huge one is never counted out.
    const tooLong = text.length > 2 * most || [...text].length > most;
    if (text === "" && least > 0) this.add(field, "is required");
    else if (tooLong) this.add(field, `must have at most ${most} characters`);
    else if (controlCharacter.test(text))
      this.add(field, "must not contain control characters or line breaks");
    return text;
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
