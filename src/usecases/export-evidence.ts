import { type EvidencePack, type PackedCheckpoint, packFormat, signPack } from "../domain/evidence-pack.ts";
import type { ChallengeRecord, Dossier, EvidenceStore, ProviderReceipt } from "../domain/evidence-store.ts";
import { type KeySource, primaryKey } from "../domain/keys.ts";
import { MerkleRoot } from "../domain/merkle-tree.ts";
import type { MessageTexts } from "../domain/message-texts.ts";
import { jwks, textDigest } from "../domain/receipt.ts";
import { type Checkpoint, type Seal, sealLeaf } from "../domain/seal-statement.ts";
import { canonicalTransaction, type Transaction } from "../domain/transaction.ts";
import { maskedText, openTransaction } from "./issue-receipt.ts";
import type { SealSignatures } from "./seal-signatures.ts";

interface Deps {
  readonly evidence: EvidenceStore;
  readonly keys: KeySource;
  readonly sealing: SealSignatures;
  readonly texts: MessageTexts;
  /** Whether a proof is that of these parameters under one of the evidence keys. */
  readonly proves: (receipt: ProviderReceipt) => boolean;
}

/** Everything about one signature as a document that can be checked without the database. */
export class ExportEvidence {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * Seals what is not sealed yet, so that the pack is whole, and signs it. Undefined for an unknown signature.
   * @throws Failure SERVICE_UNAVAILABLE where a key is not known
   */
  async execute(signatureId: string): Promise<EvidencePack | undefined> {
    const { evidence, keys, sealing, texts } = this.#deps;
    await sealing.seal(signatureId);
    const dossier = await evidence.dossier(signatureId);
    if (dossier === undefined) return undefined;
    const transaction = await openTransaction(keys, signatureId, dossier);
    const confirmed = confirmedText(dossier);
    const ring = keys.current().receipt;
    const content: Omit<EvidencePack, "signed"> = {
      format: packFormat,
      exported_at: dossier.readAt.toISOString(),
      signature: summary(dossier),
      transaction: JSON.parse(canonicalTransaction(transaction)) as Record<string, unknown>,
      challenges: dossier.challenges.map((record) =>
        packedChallenge(texts, record, dossier.locale, transaction, confirmed),
      ),
      provider_receipts: dossier.providerReceipts.map((receipt) => ({
        challenge_id: receipt.challengeId,
        received_at: receipt.receivedAt.toISOString(),
        parameters: receipt.parameters,
        proof: receipt.proof,
        proof_fits: this.#deps.proves(receipt),
      })),
      events: dossier.events.map(({ at, hash, ...event }) => ({
        ...event,
        at: at.toISOString(),
        hash: hash.toString("hex"),
      })),
      seals: dossier.seals.map((seal) => ({
        length: seal.length,
        head: seal.head.toString("hex"),
        sealed_at: seal.sealedAt.toISOString(),
        key_id: seal.keyId,
        signature: seal.signature.toString("hex"),
      })),
      checkpoints: await Promise.all(
        dossier.checkpoints.map((checkpoint) => this.#packedCheckpoint(checkpoint, dossier.seals)),
      ),
      receipt: dossier.receipt ?? null,
      keys: jwks(ring).keys,
    };
    return signPack(content, primaryKey(ring));
  }

  async #packedCheckpoint(checkpoint: Checkpoint, seals: readonly Seal[]): Promise<PackedCheckpoint> {
    const own = new Map(seals.map((seal) => [sealLeaf(seal).toString("hex"), seal.length]));
    const root = new MerkleRoot();
    await this.#deps.evidence.readSeals(checkpoint.day, (some) => {
      for (const leaf of some.map(sealLeaf)) root.add(leaf, own.has(leaf.toString("hex")));
    });
    const inclusions = root.paths().map(({ leaf, index, path }) => ({
      length: own.get(leaf.toString("hex")) ?? 0,
      index,
      path: path.map((hash) => hash.toString("hex")),
    }));
    return {
      day: checkpoint.day,
      seals: checkpoint.seals,
      digest: checkpoint.digest.toString("hex"),
      previous: checkpoint.previous.toString("hex"),
      key_id: checkpoint.keyId,
      signature: checkpoint.signature.toString("hex"),
      inclusions,
    };
  }
}

function summary(dossier: Dossier): EvidencePack["signature"] {
  return {
    id: dossier.signatureId,
    caller: dossier.caller,
    status: dossier.status,
    created_at: dossier.createdAt.toISOString(),
    expires_at: dossier.expiresAt.toISOString(),
    closed_at: dossier.closedAt?.toISOString() ?? null,
    abort_reason: dossier.abortReason ?? null,
    attempts_remaining: dossier.attemptsRemaining,
    first_factor: dossier.firstFactor,
    locale: dossier.locale,
    transaction_digest: dossier.transactionDigest,
  };
}

/** The challenge whose text was confirmed, and the digest that was recorded then. */
function confirmedText({ events }: Dossier): { challengeId: string; digest: string } | undefined {
  const completion = events.find((event) => event.type === "SIGNATURE_COMPLETED");
  if (completion === undefined) return undefined;
  const details = JSON.parse(completion.details) as Record<string, string>;
  return { challengeId: details["challenge_id"] ?? "", digest: details["text_digest"] ?? "" };
}

function packedChallenge(
  texts: MessageTexts,
  { challenge, calls, ...record }: ChallengeRecord,
  locale: string,
  transaction: Transaction,
  confirmed: { challengeId: string; digest: string } | undefined,
): EvidencePack["challenges"][number] {
  const text = maskedText(texts, locale, record, transaction);
  // Templates may have changed since: what was confirmed is shown as it was, or not at all.
  const isAsConfirmed = confirmed?.challengeId !== challenge.id || textDigest(text) === confirmed.digest;
  return {
    id: challenge.id,
    channel: challenge.channel,
    provider: challenge.provider,
    status: challenge.status,
    masked_destination: challenge.maskedDestination,
    text: isAsConfirmed ? text : null,
    message_sid: challenge.providerChallengeId ?? null,
    provider_proof: challenge.providerProof ?? null,
    provider_error_code: challenge.providerErrorCode ?? null,
    calls,
    created_at: challenge.createdAt.toISOString(),
    sent_at: challenge.sentAt?.toISOString() ?? null,
    delivered_at: challenge.deliveredAt?.toISOString() ?? null,
  };
}
