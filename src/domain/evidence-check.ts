import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { chainFault } from "./chain.ts";
import type { Channel } from "./challenge.ts";
import { isSignedBy } from "./ed25519.ts";
import { type EvidencePack, type PackedCheckpoint, packStatement } from "./evidence-pack.ts";
import { rootOfPath } from "./merkle-tree.ts";
import { openReceipt, type PublicJwk, receiptParts, textDigest } from "./receipt.ts";
import { dayOf, isCheckpointBy, isSealBy, type Seal, sealLeaf } from "./seal-statement.ts";

/** A day's checkpoint must be there so long after its end: it is made ten minutes after it (postgres/seals.ts). */
const checkpointDueMs = 3_600_000;
const dayMs = 86_400_000;

const ends: Readonly<Record<string, string>> = {
  SIGNATURE_COMPLETED: "completed",
  SIGNATURE_FAILED: "failed",
  SIGNATURE_EXPIRED: "expired",
  SIGNATURE_ABORTED: "aborted",
};

type Keys = ReadonlyMap<string, Buffer>;

const bytes = (hex: string) => Buffer.from(hex, "hex");
const sha256 = (content: string) => createHash("sha256").update(content).digest("hex");

const sealsOf = (pack: EvidencePack): Seal[] =>
  pack.seals.map((seal) => ({
    signatureId: pack.signature.id,
    length: seal.length,
    head: bytes(seal.head),
    sealedAt: new Date(seal.sealed_at),
    keyId: seal.key_id,
    signature: bytes(seal.signature),
  }));

/**
 * The first thing in a pack that does not fit, undefined where all fits. Keys that the pack brings along show
 * that it is of one piece; only against the bank's published keys is it shown to be the bank's.
 * @param published the bank's JWK set, where there is one to compare with
 */
export async function packFault(
  pack: EvidencePack,
  published?: readonly PublicJwk[],
): Promise<string | undefined> {
  const keys: Keys = new Map(pack.keys.map((key) => [key.kid, Buffer.from(key.x, "base64url")]));
  return (
    keysFault(pack, published) ??
    timelineFault(pack) ??
    sealsFault(pack, keys) ??
    checkpointsFault(pack, keys) ??
    (await receiptFault(pack, keys)) ??
    contentFault(pack) ??
    signedFault(pack, keys)
  );
}

function keysFault({ keys }: EvidencePack, published: readonly PublicJwk[] | undefined): string | undefined {
  const twice = keys.find((key, index) => keys.findIndex((other) => other.kid === key.kid) < index);
  if (twice !== undefined) return `the pack has two keys ${twice.kid}`;
  const foreign =
    published && keys.find((key) => !published.some((known) => known.kid === key.kid && known.x === key.x));
  return foreign && `the key ${foreign.kid} of the pack is not among the published keys`;
}

const endOf = ({ events }: EvidencePack) => events.find((event) => Object.hasOwn(ends, event.type));

function timelineFault(pack: EvidencePack): string | undefined {
  const events = pack.events.map((event) => ({ ...event, at: new Date(event.at), hash: bytes(event.hash) }));
  const fault = chainFault(pack.signature.id, events);
  if (fault !== undefined) return fault;
  const end = endOf(pack);
  const { status } = pack.signature;
  if (end === undefined && Object.values(ends).includes(status)) {
    return `the signature is ${status}, and no event says so: the end of the timeline was cut off`;
  }
  return end === undefined || ends[end.type] === status
    ? undefined
    : `the status is ${status}, and event ${end.number} is ${end.type}`;
}

function sealsFault(pack: EvidencePack, keys: Keys): string | undefined {
  let sealed = 0;
  for (const seal of sealsOf(pack)) {
    const name = `the seal over ${seal.length} events`;
    if (seal.length <= sealed) return `${name} stands twice or out of order`;
    sealed = seal.length;
    const key = keys.get(seal.keyId);
    if (key === undefined) return `${name} names the key ${seal.keyId}, which the pack does not have`;
    if (!isSealBy(seal, key))
      return `${name} was changed: its signature is not that of the key ${seal.keyId}`;
    const event = pack.events[seal.length - 1];
    if (event === undefined) {
      return `event ${pack.events.length + 1} is missing: the tail was cut, ${name} shows that there were more`;
    }
    if (event.hash !== seal.head.toString("hex")) return `${name} is over another chain than this one`;
  }
  const end = endOf(pack);
  if (end === undefined || sealed === pack.events.length) return undefined;
  return sealed < end.number
    ? "the seal over the end of the signature is missing"
    : `the seal over events ${sealed + 1} to ${pack.events.length} is missing`;
}

function checkpointsFault(pack: EvidencePack, keys: Keys): string | undefined {
  const exportedAt = new Date(pack.exported_at).getTime();
  for (const checkpoint of pack.checkpoints) {
    const fault = checkpointFault(checkpoint, keys);
    if (fault !== undefined) return fault;
  }
  for (const seal of sealsOf(pack)) {
    const day = dayOf(seal.sealedAt);
    const name = `the seal over ${seal.length} events`;
    const checkpoint = pack.checkpoints.find((candidate) => candidate.day === day);
    if (checkpoint === undefined) {
      if (exportedAt < new Date(`${day}T00:00:00Z`).getTime() + dayMs + checkpointDueMs) continue;
      return `the checkpoint of ${day}, the day of ${name}, is missing`;
    }
    const place = checkpoint.inclusions.find((inclusion) => inclusion.length === seal.length);
    if (place === undefined) return `${name} has no place in the checkpoint of ${day}`;
    const path = place.path.map(bytes);
    const root = rootOfPath(sealLeaf(seal), place.index, checkpoint.seals, path);
    if (root?.toString("hex") !== checkpoint.digest) {
      return `${name} does not lead to the checkpoint of ${day}: a seal of that day was changed, added or removed`;
    }
  }
  return undefined;
}

function checkpointFault(checkpoint: PackedCheckpoint, keys: Keys): string | undefined {
  const name = `the checkpoint of ${checkpoint.day}`;
  const key = keys.get(checkpoint.key_id);
  if (key === undefined) return `${name} names the key ${checkpoint.key_id}, which the pack does not have`;
  const { day, seals, digest, previous, key_id: keyId, signature } = checkpoint;
  const signed = { day, seals, digest: bytes(digest), previous: bytes(previous) };
  return isCheckpointBy({ ...signed, keyId, signature: bytes(signature) }, key)
    ? undefined
    : `${name} was changed: its signature is not that of the key ${keyId}`;
}

async function receiptFault(pack: EvidencePack, keys: Keys): Promise<string | undefined> {
  const completion = pack.events.find((event) => event.type === "SIGNATURE_COMPLETED");
  if (completion === undefined) {
    return pack.receipt === null ? undefined : "there is a receipt, and no event says that it was completed";
  }
  if (pack.receipt === null) return "the receipt of the completion is missing";
  const details = JSON.parse(completion.details) as Readonly<Record<string, string>>;
  const { challenge_id: challengeId = "", receipt_key_id: keyId = "" } = details;
  const key = keys.get(keyId);
  if (key === undefined) return `the receipt needs the key ${keyId}, which the pack does not have`;
  const opened = await openReceipt(pack.receipt, key);
  if (opened === undefined) return `the receipt was changed: its signature is not that of the key ${keyId}`;
  const { caller, first_factor: firstFactor, transaction_digest: transactionDigest } = pack.signature;
  const messages = pack.events.filter(
    ({ number, type }) => number < completion.number && /^(CHALLENGE|DUPLICATE)_SENT$/.test(type),
  );
  const { header, payload } = receiptParts({
    ...{ caller, firstFactor, transactionDigest, challengeId, receiptKeyId: keyId },
    signatureId: pack.signature.id,
    completedAt: new Date(completion.at),
    channel: (pack.challenges.find(({ id }) => id === challengeId)?.channel ?? "") as Channel,
    textDigest: details["text_digest"] ?? "",
    messageSids: messages.map(({ details: text }) => JSON.parse(text).provider_challenge_id as string),
    chainHead: completion.hash,
    chainLength: completion.number,
  });
  if (opened.header !== header) return "the receipt's header is not that of a receipt under its key";
  return opened.payload === payload ? undefined : claimsFault(opened.payload, payload);
}

function claimsFault(found: string, expected: string): string {
  const [claims, facts] = [JSON.parse(found), JSON.parse(expected)] as Record<string, unknown>[];
  const name = Object.keys({ ...facts, ...claims }).find(
    (claim) => JSON.stringify(claims?.[claim]) !== JSON.stringify(facts?.[claim]),
  );
  return `the receipt says something else than the pack about ${name ?? "the order of its claims"}`;
}

function contentFault(pack: EvidencePack): string | undefined {
  if (sha256(canonicalize(pack.transaction) as string) !== pack.signature.transaction_digest) {
    return "the transaction was changed: its digest is not the one that was signed";
  }
  const completion = pack.events.find((event) => event.type === "SIGNATURE_COMPLETED");
  const { challenge_id: id, text_digest: digest } = JSON.parse(completion?.details ?? "{}");
  const text = pack.challenges.find((challenge) => challenge.id === id)?.text ?? null;
  if (text !== null && textDigest(text) !== digest) return `the text of challenge ${id} was changed`;
  const broken = pack.provider_receipts.findIndex((receipt) => !receipt.proof_fits);
  return broken < 0
    ? undefined
    : `provider receipt ${broken + 1} was changed before the export: its proof did not fit`;
}

function signedFault(pack: EvidencePack, keys: Keys): string | undefined {
  const { key_id: id, signature } = pack.signed;
  const key = keys.get(id);
  if (key === undefined) return `the pack is signed with the key ${id}, which it does not have`;
  return isSignedBy(key, packStatement(pack), bytes(signature))
    ? undefined
    : `the pack was changed after its export: its signature is not that of the key ${id}`;
}
