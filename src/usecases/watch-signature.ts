import { Failure } from "../domain/failure.ts";
import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { GetSignatureQuery } from "./get-signature.ts";
import type { SignatureChanges } from "./signature-changes.ts";

interface Deps {
  readonly reader: SignatureReader;
  readonly changes: SignatureChanges;
}

/** Follows a signature, whichever replica changes it. */
export class WatchSignature {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * The signature now and after each change, until it is closed or the signal fires.
   * @throws Failure SIGNATURE_NOT_FOUND, also for another caller's
   */
  async *execute({ caller, signatureId }: GetSignatureQuery, signal: AbortSignal): AsyncGenerator<Signature> {
    const { changes, reader } = this.#deps;
    let signature = await reader.get(caller, signatureId);
    if (signature === undefined) throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    while (!signal.aborted) {
      yield signature;
      if (signature.closedAt !== undefined) return;
      await changes.next(signatureId, signature.version, signal);
      if (signal.aborted) return;
      signature = (await reader.get(caller, signatureId)) ?? signature;
    }
  }
}
