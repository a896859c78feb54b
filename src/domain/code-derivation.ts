import { type KeySource, keyById, primaryKey } from "./keys.ts";
import { type CodeBinding, oneTimeCode } from "./one-time-code.ts";

/** Derives the code of a signature by a pepper, wherever that is kept. */
export interface CodeDerivation {
  /** Of the pepper that codes of new signatures are derived by. */
  currentKeyId(): string;
  /**
   * The same six digits for the same pepper and binding. Called outside of transactions.
   * @throws Failure SERVICE_UNAVAILABLE where the pepper is not known or its keeper is away
   */
  code(keyId: string, binding: CodeBinding): Promise<string>;
}

/** Derives codes by the peppers of the ring. */
export class RingCodes implements CodeDerivation {
  readonly #keys: KeySource;

  constructor(keys: KeySource) {
    this.#keys = keys;
  }

  currentKeyId(): string {
    return primaryKey(this.#keys.current().codePepper).id;
  }

  async code(keyId: string, binding: CodeBinding): Promise<string> {
    return oneTimeCode(await keyById(this.#keys, "codePepper", keyId), binding);
  }
}

/** Asks once for each signature, for as long as one call lasts: what was derived cannot be missing later in it. */
export function askedOnce(codes: CodeDerivation): CodeDerivation {
  const known = new Map<string, Promise<string>>();
  return {
    currentKeyId: () => codes.currentKeyId(),
    code(keyId, binding) {
      const code = known.get(binding.signatureId) ?? codes.code(keyId, binding);
      known.set(binding.signatureId, code);
      return code;
    },
  };
}
