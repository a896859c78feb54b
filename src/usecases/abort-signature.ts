import { Failure } from "../domain/failure.ts";
import type { Observer } from "../domain/observation.ts";
import { type AbortReason, closedFailure, type Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { ClosingStore } from "../domain/stores.ts";

export interface AbortSignatureCommand {
  readonly caller: string;
  readonly signatureId: string;
  readonly reason: AbortReason | undefined;
  /** For people; no personal data. */
  readonly note: string;
}

interface Deps {
  readonly closings: ClosingStore;
  readonly reader: SignatureReader;
  readonly observer: Observer;
}

/** Ends an open signature: its code stops working at once. Aborting an aborted one changes nothing. */
export class AbortSignature {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @throws Failure as the contract lists them */
  async execute(command: AbortSignatureCommand): Promise<Signature> {
    const { closings, observer, reader } = this.#deps;
    const { caller, signatureId, reason, note } = command;
    const abortion = await closings.abort(caller, signatureId, reason, note);
    if (abortion?.outcome === "aborted") {
      observer.observe({ type: "signature_closed", status: "aborted", count: 1 });
      return abortion.signature;
    }
    if (abortion?.outcome === "closed" && abortion.status !== "aborted") throw closedFailure(abortion.status);
    const signature = abortion && (await reader.get(caller, signatureId));
    if (signature === undefined) throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    return signature;
  }
}
