import { Failure } from "./failure.ts";
import { readable } from "./message-cleaning.ts";
import { firstTemplates, type MessageTemplates, messageTemplates } from "./message-templates.ts";
import { type ShownText, shownText } from "./shown-text.ts";

// A text is made again from its row for each retry, look-up and export, by any replica of a rolling deploy: what
// makes it has a version, which stands in the row. Whatever changes a text, be it a word, a rule of cleaning or a sign,
// is a new version; one may go SIGNATURE_RETENTION_DAYS after the last replica that wrote it.

/** What a text is made of beside its row. */
export interface TextVersion {
  readonly templates: MessageTemplates;
  readonly readable: (text: string) => ShownText;
}

/** What a row says of how its text is made. */
export interface TextStyle {
  readonly textVersion: number;
  /** See amount-pattern.ts; "" in version 1, and where nothing is paid. */
  readonly amountPattern: string;
}

/** Rows of before there were versions say nothing. */
export const firstTextVersion = 1;

const versions: ReadonlyMap<number, TextVersion> = new Map([
  [firstTextVersion, { templates: firstTemplates, readable }],
  [2, { templates: messageTemplates, readable: shownText }],
]);

/** The texts that a process knows, and the one that it writes. */
export class MessageTexts {
  /** The version of new texts. */
  readonly current: number;
  readonly #versions: ReadonlyMap<number, TextVersion>;

  constructor(current: number = newestTextVersion, known: ReadonlyMap<number, TextVersion> = versions) {
    this.current = current;
    this.#versions = known;
  }

  /** Challenges of a newer one are left to the replicas that know it. */
  get newest(): number {
    return Math.max(...this.#versions.keys());
  }

  /** @throws Failure SERVICE_UNAVAILABLE where a newer replica wrote the text: that one can answer */
  of(version: number): TextVersion {
    const found = this.#versions.get(version);
    if (found !== undefined) return found;
    throw new Failure("SERVICE_UNAVAILABLE", "the text of this signature is of a newer version", {
      retryAfterMs: 1000,
    });
  }
}

export const newestTextVersion = Math.max(...versions.keys());
