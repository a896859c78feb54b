import { type EvidencePack, type PackedCheckpoint, packFormat, signPack } from "../domain/evidence-pack.ts";
import type { ChallengeRecord, Dossier, EvidenceStore, ProviderReceipt } from "../domain/evidence-store.ts";
import { evidenceText } from "../domain/evidence-text.ts";
import type { KeySource } from "../domain/keys.ts";
import { MerkleRoot } from "../domain/merkle-tree.ts";
import type { MessageTexts } from "../domain/message-texts.ts";
import { jwks, textDigest } from "../domain/receipt.ts";
import { type Checkpoint, type Seal, sealLeaf } from "../domain/seal-statement.ts";
import { RingSigner, type Signer } from "../domain/signer.ts";
import { canonicalTransaction, type Transaction } from "../domain/transaction.ts";
import { maskedText, openTransaction } from "./issue-receipt.ts";
import { recordedChallenge, recordedSummary } from "./recorded-facts.ts";
import type { SealSignatures } from "./seal-signatures.ts";

interface Deps {
  readonly evidence: EvidenceStore;
  readonly keys: KeySource;
  /** Default: the receipt ring. */
  readonly signer?: Signer | undefined;
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
    const digests = textDigests(dossier);
    const signer = this.#deps.signer ?? new RingSigner(keys);
    const content: Omit<EvidencePack, "signed" | "text_sha256"> = {
      format: packFormat,
      exported_at: dossier.readAt.toISOString(),
      signature: recordedSummary(dossier),
      transaction: JSON.parse(canonicalTransaction(transaction)) as Record<string, unknown>,
      challenges: dossier.challenges.map((record) =>
        packedChallenge(texts, record, dossier.locale, transaction, digests),
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
      keys: jwks(signer.verifying(), await evidence.keyHistory()).keys,
    };
    return await signPack(signer, { ...content, text_sha256: textDigest(evidenceText(content)) });
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
      timestamps: (await this.#deps.evidence.timestamps(checkpoint.day)).map(({ sink, token }) => ({
        sink,
        token: token.toString("hex"),
      })),
    };
  }
}

/** Digests of texts by challenge, as the events of their creation and of the completion have them. */
function textDigests({ events }: Dossier): Map<string, string> {
  const told = events
    .filter(({ type }) => type === "CHALLENGE_CREATED" || type === "SIGNATURE_COMPLETED")
    .map(({ details }) => JSON.parse(details) as Record<string, string>);
  return new Map(
    told.flatMap(({ challenge_id: id = "", text_digest: digest }) =>
      digest === undefined ? [] : [[id, digest]],
    ),
  );
}

function packedChallenge(
  texts: MessageTexts,
  { challenge, calls, ...record }: ChallengeRecord,
  locale: string,
  transaction: Transaction,
  digests: ReadonlyMap<string, string>,
): EvidencePack["challenges"][number] {
  const text = maskedText(texts, locale, record, transaction);
  // A text is shown as it was, or not at all.
  const digest = digests.get(challenge.id);
  const isAsItWas = digest === undefined || textDigest(text) === digest;
  return { ...recordedChallenge(challenge, calls), text: isAsItWas ? text : null };
}
