import { amountPattern } from "../domain/amount-pattern.ts";
import type { Channel } from "../domain/challenge.ts";
import type { CodeDerivation } from "../domain/code-derivation.ts";
import { minorDigits } from "../domain/currencies.ts";
import { type KeySource, keyById } from "../domain/keys.ts";
import { type MessageInput, type RenderedMessage, renderMessage } from "../domain/message.ts";
import { languageOf, type MessageAmount } from "../domain/message-templates.ts";
import type { MessageTexts, TextStyle } from "../domain/message-texts.ts";
import type { Money } from "../domain/money.ts";
import { unseal } from "../domain/seal.ts";
import type { ChallengeMaterial } from "../domain/stores.ts";
import { type Transaction, transactionFromCanonical } from "../domain/transaction.ts";

/** A challenge ready to go out: the only place where code and number stand in clear, in memory alone. */
export interface OutgoingChallenge {
  readonly signatureId: string;
  readonly challengeId: string;
  readonly channel: Channel;
  readonly provider: string;
  readonly to: string;
  readonly text: string;
  readonly encoding: string;
  readonly segments: number;
}

/** What the text of a challenge is made of; all of it stands in its row. */
export interface TextInputs extends TextStyle {
  readonly locale: string;
  readonly brand: string;
  readonly webOtpHost: string;
  /** From the challenge's creation to its expiry. */
  readonly textLifeMs: number;
  readonly transaction: Transaction;
  readonly code: string;
}

/** The minutes that a text tells. Rounded down: the customer never has less, but in the last minute. */
export function minutesOf(textLifeMs: number): number {
  return Math.max(1, Math.floor(textLifeMs / 60_000));
}

/** @throws Failure SERVICE_UNAVAILABLE where a newer replica wrote the text */
export function challengeText(texts: MessageTexts, inputs: TextInputs): RenderedMessage {
  const { amount } = inputs.transaction;
  const input: MessageInput = {
    locale: inputs.locale,
    code: inputs.code,
    amount: amount && shownAmount(amount, inputs),
    payee: inputs.transaction.payee,
    payeeAccount: inputs.transaction.payeeAccount,
    description: inputs.transaction.description,
    minutes: minutesOf(inputs.textLifeMs),
    brand: inputs.brand,
    webOtpHost: inputs.webOtpHost,
  };
  return renderMessage(input, texts.of(inputs.textVersion));
}

/** A row of before patterns were kept has none: the amount is written after the text's language. */
function shownAmount(amount: Money, { locale, amountPattern: pattern }: TextInputs): MessageAmount {
  const digits = minorDigits(amount.currencyCode) ?? 2;
  return {
    ...amount,
    minorDigits: digits,
    pattern: pattern || amountPattern("", languageOf(locale, "es"), digits),
  };
}

/**
 * The number that a challenge goes to; undefined once it is erased.
 * @throws Failure SERVICE_UNAVAILABLE where the key is not known
 */
async function openDestination(
  source: KeySource,
  { signatureId, sealKeyId, phoneSealed }: ChallengeMaterial,
): Promise<string | undefined> {
  if (phoneSealed === null) return undefined;
  const sealKey = await keyById(source, "phoneSeal", sealKeyId);
  return unseal(sealKey, signatureId, "phone-number-v1", phoneSealed);
}

/** What a challenge is opened and made again with. */
export interface ChallengeOpening {
  readonly keys: KeySource;
  readonly codes: CodeDerivation;
  readonly texts: MessageTexts;
}

/**
 * Opens what the database keeps sealed and makes the same text again.
 * @returns undefined once the phone number is erased
 * @throws Failure SERVICE_UNAVAILABLE where a key or the version of the text is not known
 */
export async function openChallenge(
  { keys, codes, texts }: ChallengeOpening,
  material: ChallengeMaterial,
): Promise<OutgoingChallenge | undefined> {
  const to = await openDestination(keys, material);
  if (to === undefined) return undefined;
  const sealKey = await keyById(keys, "phoneSeal", material.sealKeyId);
  const { signatureId } = material;
  const transaction = transactionFromCanonical(
    unseal(sealKey, signatureId, "transaction-v1", material.transactionSealed),
  );
  const code = await codes.code(material.codeKeyId, {
    signatureId,
    nonce: material.codeNonce,
    transactionDigest: material.transactionDigest,
  });
  return {
    signatureId,
    challengeId: material.challengeId,
    channel: material.channel,
    provider: material.provider,
    to,
    ...challengeText(texts, { ...material, transaction, code }),
  };
}
