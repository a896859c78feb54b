import { signBytes } from "./ed25519.ts";
import { type KeySource, keyById, primaryKey, type ReceiptKeyRing } from "./keys.ts";

/** Makes the bank's signatures (Ed25519) over receipts, seals, checkpoints and packs. */
export interface Signer {
  /** Of the key that new statements are signed with. */
  currentKeyId(): string;
  /** Of every key that it can sign with now. */
  keyIds(): readonly string[];
  /**
   * 64 bytes for each statement, the same for the same key and bytes (RFC 8032). Called outside of transactions:
   * the key may be on another machine.
   * @throws Failure SERVICE_UNAVAILABLE where the key is not known or its keeper is away
   */
  sign(keyId: string, statements: readonly Uint8Array[]): Promise<Buffer[]>;
  /** What all that was ever signed verifies with; the seeds are those at hand. */
  verifying(): ReceiptKeyRing;
}

/** Signs with the seeds of the receipt ring. */
export class RingSigner implements Signer {
  readonly #keys: KeySource;

  constructor(keys: KeySource) {
    this.#keys = keys;
  }

  currentKeyId(): string {
    return primaryKey(this.verifying()).id;
  }

  keyIds(): readonly string[] {
    return [...this.verifying().keys.keys()];
  }

  async sign(keyId: string, statements: readonly Uint8Array[]): Promise<Buffer[]> {
    const seed = await keyById(this.#keys, "receipt", keyId);
    return statements.map((statement) => signBytes(seed, statement));
  }

  verifying(): ReceiptKeyRing {
    return this.#keys.current().receipt;
  }
}
