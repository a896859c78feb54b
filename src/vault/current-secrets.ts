import { isNewer, type KvDocument } from "./kv-document.ts";
import { type DocumentName, type Documents, documentNames, VaultSnapshot } from "./snapshot.ts";
import { asVaultError, VaultError } from "./vault-error.ts";

/** What one reading brought, a document or a fault for each. */
export type Reading = Readonly<Record<DocumentName, KvDocument | VaultError>>;

export interface CurrentSecretsOptions {
  /** What is wrong with a snapshot, by path and field and never by value; none: it is used. */
  readonly validate: (snapshot: VaultSnapshot) => readonly string[];
  readonly now: () => number;
}

export interface Offered {
  readonly changed: boolean;
  readonly fault: VaultError | undefined;
}

/** The last good secrets. A bad new version of one of them is refused and does not hold up the other. */
export class CurrentSecrets {
  readonly #options: CurrentSecretsOptions;
  #documents: Documents | undefined;
  #snapshot: VaultSnapshot | undefined;

  constructor(options: CurrentSecretsOptions) {
    this.#options = options;
  }

  get snapshot(): VaultSnapshot | undefined {
    return this.#snapshot;
  }

  /** Takes over as much of a reading as is newer and good. */
  offer(reading: Reading): Offered {
    const failed = readFault(reading);
    const newer = documentNames.filter((name) => {
      const read = reading[name];
      return !(read instanceof VaultError) && isNewer(read, this.#documents?.[name]);
    });
    let refused: VaultError | undefined;
    const both = this.#documents !== undefined && newer.length > 1;
    // Together, then each alone: where only one is good, it is used with the last good one of the other.
    for (const names of both ? [newer, ...newer.map((name) => [name])] : [newer]) {
      const fault = names.length === 0 ? undefined : this.#take(names, reading);
      if (fault === undefined) return { changed: names.length > 0, fault: refused ?? failed };
      refused ??= fault;
    }
    return { changed: false, fault: refused ?? failed };
  }

  #take(names: readonly DocumentName[], reading: Reading): VaultError | undefined {
    const documents: Partial<Record<DocumentName, KvDocument>> = { ...this.#documents };
    for (const name of names) {
      const read = reading[name];
      if (!(read instanceof VaultError)) documents[name] = read;
    }
    const { twilio, keys } = documents;
    // Only at the start; the reading's own faults say what is missing.
    if (twilio === undefined || keys === undefined) {
      return readFault(reading) ?? new VaultError("missing_secret", "a secret is missing");
    }
    try {
      const snapshot = new VaultSnapshot({ twilio, keys }, this.#options.now());
      const faults = this.#options.validate(snapshot);
      if (faults.length > 0) return new VaultError("invalid", faults.join("; "));
      this.#documents = { twilio, keys };
      this.#snapshot = snapshot;
      return undefined;
    } catch (error) {
      return asVaultError(error);
    }
  }
}

/** All faults in one; what passes by itself comes first, since the rest may be its consequence. */
function readFault(reading: Reading): VaultError | undefined {
  const faults = documentNames.map((name) => reading[name]).filter((read) => read instanceof VaultError);
  const first = faults.find((fault) => fault.transient) ?? faults[0];
  if (first === undefined || first.transient) return first;
  const messages = new Set(faults.map((fault) => fault.message));
  return messages.size === 1 ? first : new VaultError(first.reason, [...messages].join("; "));
}
