import type { CodeDerivation } from "../domain/code-derivation.ts";
import { Failure } from "../domain/failure.ts";
import { Faults } from "../domain/faults.ts";
import type { KeySource } from "../domain/keys.ts";
import type { Lockout, LockoutRules } from "../domain/limits.ts";
import type { MessageTexts } from "../domain/message-texts.ts";
import type { Observer } from "../domain/observation.ts";
import { codesMatch } from "../domain/one-time-code.ts";
import { parsePhoneNumber } from "../domain/phone-number.ts";
import { type CompletionProof, type Consent, signReceipts } from "../domain/receipt.ts";
import { unseal } from "../domain/seal.ts";
import { closedFailure, isOpen, type Signature } from "../domain/signature.ts";
import type { Signer } from "../domain/signer.ts";
import type { ClosingStore, CodeMaterial, Verdict } from "../domain/stores.ts";
import { type Transaction, transactionDigest } from "../domain/transaction.ts";
import { consentTo } from "./issue-receipt.ts";
import type { KeepReceipts } from "./keep-receipts.ts";
import type { PumpingGuard } from "./pumping-guard.ts";

export interface CompleteSignatureCommand {
  readonly caller: string;
  readonly signatureId: string;
  /** Six ASCII digits. */
  readonly code: string;
  /** Where given, it must be the transaction that was started. */
  readonly transaction: Transaction | undefined;
}

export interface CompletedSignature {
  readonly signature: Signature;
  /** Compact JWS; empty where the keeper of its key is away: GetSignature has it later. */
  readonly receipt: string;
}

interface Deps {
  readonly closings: ClosingStore;
  readonly receipts: KeepReceipts;
  readonly keys: KeySource;
  readonly codes: CodeDerivation;
  readonly signer: Signer;
  readonly observer: Observer;
  readonly texts: MessageTexts;
  readonly lockout: LockoutRules;
  /** Undefined: off. */
  readonly pumping: PumpingGuard | undefined;
}

/** Checks a code. Whatever comes of it is committed before it is answered. */
export class CompleteSignature {
  readonly #deps: Deps;
  /** Whether the last receipt could not be signed. */
  #unsigned = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @throws Failure as the contract lists them */
  async execute(command: CompleteSignatureCommand): Promise<CompletedSignature> {
    const { closings, keys, signer, observer, texts } = this.#deps;
    const { caller, signatureId } = command;
    const material = await closings.codeMaterial(caller, signatureId);
    if (material === undefined) throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    if (!isOpen(material.status)) throw closedFailure(material.status);

    const verdict = await this.#verdict(command, material);
    const consent =
      verdict === "match" ? await consentTo(keys, signer, texts, signatureId, material) : undefined;
    const completion = await closings.complete(caller, signatureId, verdict, this.#deps.lockout, consent);
    switch (completion?.outcome) {
      case undefined:
        throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
      case "completed":
        observer.observe({ type: "signature_closed", status: "completed", count: 1 });
        this.#countCompletion(command, material);
        return {
          signature: completion.signature,
          receipt: consent === undefined ? "" : await this.#receipt(caller, completion, consent),
        };
      case "rejected":
        observer.observe({ type: "code_rejected", signatureId });
        this.#tell(command, completion.lockout);
        throw mismatch(verdict, completion.attemptsRemaining);
      case "failed":
        observer.observe({ type: "code_rejected", signatureId });
        observer.observe({ type: "signature_closed", status: "failed", count: 1 });
        this.#tell(command, completion.lockout);
        throw closedFailure("failed");
      case "closed":
        throw closedFailure(completion.status);
    }
  }

  #tell({ caller, signatureId }: CompleteSignatureCommand, lockout: Lockout | undefined): void {
    if (lockout !== undefined)
      this.#deps.observer.observe({ type: "customer_locked_out", caller, signatureId, ...lockout });
  }

  /** The number is erased with the completion, so it is opened as it was read before. */
  #countCompletion(
    { caller, signatureId }: CompleteSignatureCommand,
    { phoneSealed, sealKeyId }: CodeMaterial,
  ): void {
    const { keys, pumping } = this.#deps;
    const sealKey = keys.current().phoneSeal.keys.get(sealKeyId);
    if (pumping === undefined || phoneSealed === null || sealKey === undefined) return;
    const e164 = unseal(sealKey, signatureId, "phone-number-v1", phoneSealed);
    const number = parsePhoneNumber(new Faults(), "", e164);
    if (number !== undefined) pumping.completed(number, caller);
  }

  /**
   * The completion is committed: its receipt is answered whether it is kept yet or not, and the completion whether
   * it has a receipt yet or not. The sweep makes those that are missing.
   */
  async #receipt(
    caller: string,
    { signature, proof }: { readonly signature: Signature; readonly proof: CompletionProof },
    consent: Consent,
  ): Promise<string> {
    const { id: signatureId, transactionDigest: digest } = signature;
    const completedAt = signature.closedAt ?? signature.createdAt;
    const facts = { ...consent, ...proof, signatureId, caller, completedAt, transactionDigest: digest };
    try {
      const [jws = ""] = await signReceipts(this.#deps.signer, consent.receiptKeyId, [facts]);
      this.#deps.receipts.add({ signatureId, jws });
      if (this.#unsigned) this.#deps.observer.observe({ type: "upkeep_recovered", step: "sign_receipt" });
      this.#unsigned = false;
      return jws;
    } catch (cause) {
      this.#unsigned = true;
      this.#deps.observer.observe({ type: "upkeep_failed", step: "sign_receipt", cause });
      return "";
    }
  }

  /** The code is derived and compared in any case, so that the time taken tells nothing. */
  async #verdict(command: CompleteSignatureCommand, material: CodeMaterial): Promise<Verdict> {
    const { signatureId, transaction, code } = command;
    const expected = await this.#deps.codes.code(material.codeKeyId, {
      signatureId,
      nonce: material.codeNonce,
      transactionDigest: material.transactionDigest,
    });
    const matches = codesMatch(expected, code);
    const same =
      transaction === undefined || transactionDigest(transaction).equals(material.transactionDigest);
    if (!same) return "transaction_mismatch";
    return matches ? "match" : "code_mismatch";
  }
}

function mismatch(verdict: Verdict, attemptsRemaining: number): Failure {
  const metadata = { attempts_remaining: String(attemptsRemaining) };
  return verdict === "transaction_mismatch"
    ? new Failure("TRANSACTION_MISMATCH", "the transaction is not the one that was started", { metadata })
    : new Failure("CODE_MISMATCH", "the code is wrong", { metadata });
}
