import type { Challenge } from "../domain/challenge.ts";
import { Failure } from "../domain/failure.ts";
import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/stores.ts";
import type { TimelineEvent } from "../domain/timeline.ts";

export interface GetSignatureQuery {
  readonly caller: string;
  readonly signatureId: string;
}

export interface SignatureHistory {
  readonly signature: Signature;
  /** Oldest first; the last one is signature.challenge. */
  readonly challenges: readonly Challenge[];
  readonly timeline: readonly TimelineEvent[];
  /** Compact JWS, empty until completed. */
  readonly receipt: string;
}

interface Deps {
  readonly reader: SignatureReader;
}

/** Reads a signature with its challenges and its timeline. */
export class GetSignature {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @throws Failure SIGNATURE_NOT_FOUND, also for another caller's */
  async execute({ caller, signatureId }: GetSignatureQuery): Promise<SignatureHistory> {
    const history = await this.#deps.reader.history(caller, signatureId);
    if (history === undefined) throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    return { ...history, receipt: "" };
  }
}
