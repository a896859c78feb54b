import type { Channel } from "../domain/challenge.ts";
import { minorDigits } from "../domain/currencies.ts";
import { type KeySource, keyById } from "../domain/keys.ts";
import { renderMessage } from "../domain/message.ts";
import { oneTimeCode } from "../domain/one-time-code.ts";
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
export interface TextInputs {
  readonly locale: string;
  readonly brand: string;
  readonly webOtpHost: string;
  /** From the challenge's creation to its expiry. */
  readonly textLifeMs: number;
  readonly transaction: Transaction;
  readonly code: string;
}

export function challengeText(inputs: TextInputs): ReturnType<typeof renderMessage> {
  const { amount } = inputs.transaction;
  return renderMessage({
    locale: inputs.locale,
    code: inputs.code,
    amount: amount && { ...amount, minorDigits: minorDigits(amount.currencyCode) ?? 2 },
    payee: inputs.transaction.payee,
    payeeAccount: inputs.transaction.payeeAccount,
    description: inputs.transaction.description,
    // Rounded down: the customer never has less time than the message says, but in the last minute.
    minutes: Math.max(1, Math.floor(inputs.textLifeMs / 60_000)),
    brand: inputs.brand,
    webOtpHost: inputs.webOtpHost,
  });
}

/**
 * Opens what the database keeps sealed and makes the same text again.
 * @returns undefined once the phone number is erased
 * @throws Failure SERVICE_UNAVAILABLE where a key is not known
 */
export async function openChallenge(
  source: KeySource,
  material: ChallengeMaterial,
): Promise<OutgoingChallenge | undefined> {
  if (material.phoneSealed === null) return undefined;
  const sealKey = await keyById(source, "phoneSeal", material.sealKeyId);
  const pepper = await keyById(source, "codePepper", material.codeKeyId);
  const { signatureId } = material;
  const transaction = transactionFromCanonical(
    unseal(sealKey, signatureId, "transaction-v1", material.transactionSealed),
  );
  const code = oneTimeCode(pepper, {
    signatureId,
    nonce: material.codeNonce,
    transactionDigest: material.transactionDigest,
  });
  return {
    signatureId,
    challengeId: material.challengeId,
    channel: material.channel,
    provider: material.provider,
    to: unseal(sealKey, signatureId, "phone-number-v1", material.phoneSealed),
    ...challengeText({ ...material, transaction, code }),
  };
}
