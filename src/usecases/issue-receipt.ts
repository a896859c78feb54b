import type { ReceiptKeeper } from "../domain/evidence-store.ts";
import { type KeySource, keyById } from "../domain/keys.ts";
import { MASKED_CODE } from "../domain/message.ts";
import type { MessageTexts } from "../domain/message-texts.ts";
import {
  type Consent,
  type ReceiptFacts,
  signReceipts,
  type TextOrigin,
  textDigest,
} from "../domain/receipt.ts";
import { unseal } from "../domain/seal.ts";
import type { Signer } from "../domain/signer.ts";
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
 * What a right code consents to, settled before the completion is committed with it, together with the key
 * that the receipt is signed with.
 * @throws Failure SERVICE_UNAVAILABLE where a key or the version of the text is not known; nothing has been consumed by then
 */
export async function consentTo(
  keys: KeySource,
  signer: Signer,
  texts: MessageTexts,
  signatureId: string,
  material: ConsentMaterial,
): Promise<Consent> {
  const { challenge, locale } = material;
  const transaction = await openTransaction(keys, signatureId, material);
  return {
    challengeId: challenge.id,
    channel: challenge.channel,
    textDigest: textDigest(maskedText(texts, locale, challenge, transaction)),
    receiptKeyId: signer.currentKeyId(),
  };
}

/**
 * Makes receipts of completed signatures and keeps them: the same bytes as those that may have been given out
 * before, since facts and keys are. All of one key are signed together.
 * @returns the receipts that are kept, in order
 * @throws Failure SERVICE_UNAVAILABLE where a key that one was promised under is not known, or its keeper is away
 */
export async function issueReceipts(
  receipts: ReceiptKeeper,
  signer: Signer,
  all: readonly ReceiptFacts[],
): Promise<string[]> {
  const made = new Map<ReceiptFacts, string>();
  for (const keyId of new Set(all.map(({ receiptKeyId }) => receiptKeyId))) {
    const some = all.filter(({ receiptKeyId }) => receiptKeyId === keyId);
    const signed = await signReceipts(signer, keyId, some);
    for (const [index, facts] of some.entries()) made.set(facts, signed[index]!);
  }
  const kept: string[] = [];
  for (const facts of all) kept.push(await receipts.keepReceipt(facts.signatureId, made.get(facts)!));
  return kept;
}
