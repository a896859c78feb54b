import type { Challenge } from "../domain/challenge.ts";
import type { EvidenceStore } from "../domain/evidence-store.ts";
import { Failure } from "../domain/failure.ts";
import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { Signer } from "../domain/signer.ts";
import type { TimelineEvent } from "../domain/timeline.ts";
import { issueReceipts } from "./issue-receipt.ts";

export interface GetSignatureQuery {
  readonly caller: string;
  readonly signatureId: string;
}

export interface SignatureHistory {
  readonly signature: Signature;
  /** Oldest first; the last one is signature.challenge. */
  readonly challenges: readonly Challenge[];
  readonly timeline: readonly TimelineEvent[];
  /** Compact JWS, empty until completed, and while the keeper of its key is away. */
  readonly receipt: string;
}

interface Deps {
  readonly reader: SignatureReader;
  readonly receipts: Pick<EvidenceStore, "receiptFacts" | "keepReceipt">;
  readonly signer: Signer;
}

/** Reads a signature with its challenges and its timeline. */
export class GetSignature {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @throws Failure SIGNATURE_NOT_FOUND, also for another caller's; SERVICE_UNAVAILABLE */
  async execute({ caller, signatureId }: GetSignatureQuery): Promise<SignatureHistory> {
    const history = await this.#deps.reader.history(caller, signatureId);
    if (history === undefined) throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    if (history.signature.status !== "completed") return { ...history, receipt: "" };
    return { ...history, receipt: history.receipt ?? (await this.#lostReceipt(signatureId)) };
  }

  /** Whoever completed it was stopped before the receipt was kept. */
  async #lostReceipt(signatureId: string): Promise<string> {
    const facts = await this.#deps.receipts.receiptFacts(signatureId);
    if (facts === undefined) return "";
    try {
      const [receipt = ""] = await issueReceipts(this.#deps.receipts, this.#deps.signer, [facts]);
      return receipt;
    } catch (error) {
      // The state is known and tells more than a refusal would; the sweep makes the receipt.
      if (error instanceof Failure && error.reason === "SERVICE_UNAVAILABLE") return "";
      throw error;
    }
  }
}
