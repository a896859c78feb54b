import type { ReceiptKeeper } from "../domain/evidence-store.ts";
import { type KeySource, keyById, primaryKey } from "../domain/keys.ts";
import { MASKED_CODE } from "../domain/message.ts";
import type { MessageTexts } from "../domain/message-texts.ts";
import {
  type Consent,
  type ReceiptFacts,
  signReceipt,
  type TextOrigin,
  textDigest,
} from "../domain/receipt.ts";
import { unseal } from "../domain/seal.ts";
import { type Transaction, transactionFromCanonical } from "../domain/transaction.ts";
import { challengeText } from "./outgoing-challenge.ts";

/** The sealed transaction of a signature, and what the text of a challenge is made of beside it. */
export interface ConsentMaterial {
  readonly sealKeyId: string;
  readonly transactionSealed: Buffer;
  readonly locale: string;
  readonly challenge: TextOrigin;
}

/** @throws Failure SERVICE_UNAVAILABLE where the key is not known */
export async function openTransaction(
  keys: KeySource,
  signatureId: string,
  material: Pick<ConsentMaterial, "sealKeyId" | "transactionSealed">,
): Promise<Transaction> {
  const key = await keyById(keys, "phoneSeal", material.sealKeyId);
  return transactionFromCanonical(unseal(key, signatureId, "transaction-v1", material.transactionSealed));
}

/** The text of a challenge with stars for the code; no key of the code is needed for it. */
export function maskedText(
  texts: MessageTexts,
  locale: string,
  origin: Omit<TextOrigin, "id" | "channel">,
  transaction: Transaction,
): string {
  return challengeText(texts, { ...origin, locale, transaction, code: MASKED_CODE }).text;
}

/**
 * What a right code consents to, settled before the completion is committed with it, together with the seed
 * that will sign: nothing can be missing afterwards.
 * @throws Failure SERVICE_UNAVAILABLE where a key or the version of the text is not known; nothing has been consumed by then
 */
export async function consentTo(
  keys: KeySource,
  texts: MessageTexts,
  signatureId: string,
  material: ConsentMaterial,
): Promise<{ consent: Consent; seed: Uint8Array }> {
  const { challenge, locale } = material;
  const transaction = await openTransaction(keys, signatureId, material);
  const { id, key } = primaryKey(keys.current().receipt);
  const consent = {
    challengeId: challenge.id,
    channel: challenge.channel,
    textDigest: textDigest(maskedText(texts, locale, challenge, transaction)),
    receiptKeyId: id,
  };
  return { consent, seed: key };
}

/**
 * Makes the receipt of a completed signature and keeps it: the same bytes as the one that may have been
 * given out before, since facts and key are.
 * @throws Failure SERVICE_UNAVAILABLE where the key it was promised under is not known
 */
export async function issueReceipt(
  deps: { readonly receipts: ReceiptKeeper; readonly keys: KeySource },
  facts: ReceiptFacts,
): Promise<string> {
  const seed = await keyById(deps.keys, "receipt", facts.receiptKeyId);
  return await deps.receipts.keepReceipt(facts.signatureId, signReceipt(facts, seed));
}
