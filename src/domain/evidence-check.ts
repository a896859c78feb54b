import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { chainFault } from "./chain.ts";
import { isSignedBy } from "./ed25519.ts";
import { compareWithEvents, type ShownFacts } from "./event-comparison.ts";
import { type EvidencePack, type PackedCheckpoint, packStatement } from "./evidence-pack.ts";
import { keyUseFault } from "./key-validity.ts";
import { rootOfPath } from "./merkle-tree.ts";
import { type PublicJwk, textDigest } from "./receipt.ts";
import { type ReceiptContext, receiptFault } from "./receipt-check.ts";
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

/** One thing that is looked at in a pack, and the first that does not fit about it. */
export interface PackCheck {
  readonly name: (typeof packCheckNames)[number];
  readonly fault: string | undefined;
}

/** In the order in which faults count: what comes first explains what comes after it. */
export const packCheckNames = [
  ...(["keys", "timeline", "seals", "checkpoints", "receipt", "content"] as const),
  ...(["facts", "signed", "windows"] as const),
] as const;

/**
 * What there is to check in a pack, and what does not fit. Keys that the pack brings along show that it is of one
 * piece; only against the bank's published keys is it shown to be the bank's.
 * @param published the bank's JWK set, where there is one to compare with
 */
export async function packChecks(pack: EvidencePack, published?: readonly PublicJwk[]): Promise<PackCheck[]> {
  const keys: Keys = new Map(pack.keys.map((key) => [key.kid, Buffer.from(key.x, "base64url")]));
  const find: Record<PackCheck["name"], () => string | undefined | Promise<string | undefined>> = {
    keys: () => keysFault(pack, published),
    timeline: () => timelineFault(pack),
    seals: () => sealsFault(pack, keys),
    checkpoints: () => checkpointsFault(pack, keys),
    receipt: () => receiptFault(contextOf(pack), pack.receipt, keys),
    content: () => contentFault(pack),
    facts: () => compareWithEvents(shownIn(pack), pack.events).differences[0],
    signed: () => signedFault(pack, keys),
    // What the bank publishes of its keys counts, not what whoever made the pack says of them.
    windows: () =>
      windowFault(pack, new Map([...pack.keys, ...(published ?? [])].map((key) => [key.kid, key]))),
  };
  const checks: PackCheck[] = [];
  for (const name of packCheckNames) {
    try {
      checks.push({ name, fault: await find[name]() });
    } catch {
      // A forged timeline may fit its own hashes and yet hold no JSON.
      checks.push({ name, fault: "a part of the pack cannot be read" });
    }
  }
  return checks;
}

/** The first thing in a pack that does not fit, undefined where all fits. */
export async function packFault(
  pack: EvidencePack,
  published?: readonly PublicJwk[],
): Promise<string | undefined> {
  return (await packChecks(pack, published)).find(({ fault }) => fault !== undefined)?.fault;
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

async function sealsFault(pack: EvidencePack, keys: Keys): Promise<string | undefined> {
  let sealed = 0;
  for (const seal of sealsOf(pack)) {
    const name = `the seal over ${seal.length} events`;
    if (seal.length <= sealed) return `${name} stands twice or out of order`;
    sealed = seal.length;
    const key = keys.get(seal.keyId);
    if (key === undefined) return `${name} names the key ${seal.keyId}, which the pack does not have`;
    if (!(await isSealBy(seal, key)))
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

async function checkpointsFault(pack: EvidencePack, keys: Keys): Promise<string | undefined> {
  const exportedAt = new Date(pack.exported_at).getTime();
  for (const checkpoint of pack.checkpoints) {
    const fault = await checkpointFault(checkpoint, keys);
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

async function checkpointFault(checkpoint: PackedCheckpoint, keys: Keys): Promise<string | undefined> {
  const name = `the checkpoint of ${checkpoint.day}`;
  const key = keys.get(checkpoint.key_id);
  if (key === undefined) return `${name} names the key ${checkpoint.key_id}, which the pack does not have`;
  const { day, seals, digest, previous, key_id: keyId, signature } = checkpoint;
  const signed = { day, seals, digest: bytes(digest), previous: bytes(previous) };
  return (await isCheckpointBy({ ...signed, keyId, signature: bytes(signature) }, key))
    ? undefined
    : `${name} was changed: its signature is not that of the key ${keyId}`;
}

const contextOf = ({ signature, challenges, events }: EvidencePack): ReceiptContext => ({
  ...{ id: signature.id, caller: signature.caller, firstFactor: signature.first_factor, challenges, events },
  transactionDigest: signature.transaction_digest,
});

/** What a pack shows, as it is compared with its events. */
export const shownIn = ({ signature, challenges, provider_receipts: reports }: EvidencePack): ShownFacts => ({
  ...{ signature, challenges },
  provider_receipts: reports.map((report) => ({ ...report, parameters_digest: sha256(report.parameters) })),
});

/** The digest of a challenge's text that an event has: of its creation, or of the completion. */
function textDigestOf({ events }: EvidencePack, id: string): string | undefined {
  const details = events
    .filter(({ type }) => type === "CHALLENGE_CREATED" || type === "SIGNATURE_COMPLETED")
    .map((event) => JSON.parse(event.details) as Readonly<Record<string, string>>);
  return details.find((one) => one["challenge_id"] === id && one["text_digest"] !== undefined)?.[
    "text_digest"
  ];
}

/** What a key signed outside the time in which it could. */
function windowFault(pack: EvidencePack, keys: ReadonlyMap<string, PublicJwk>): string | undefined {
  const used = (what: string, keyId: string, at: string | number, earliest = false) => {
    const key = keys.get(keyId);
    const fault = key && keyUseFault(key, new Date(at), earliest);
    return fault && `${what}: ${fault}`;
  };
  for (const seal of pack.seals) {
    const fault = used(`the seal over ${seal.length} events`, seal.key_id, seal.sealed_at);
    if (fault !== undefined) return fault;
  }
  for (const { day, key_id: id } of pack.checkpoints) {
    const fault = used(`the checkpoint of ${day}`, id, Date.parse(`${day}T00:00:00Z`) + dayMs, true);
    if (fault !== undefined) return fault;
  }
  const completion = pack.events.find((event) => event.type === "SIGNATURE_COMPLETED");
  const receiptKey = JSON.parse(completion?.details ?? "{}").receipt_key_id as string;
  return (
    (completion && used("the receipt", receiptKey, completion.at)) ??
    used("the pack", pack.signed.key_id, pack.exported_at)
  );
}

function contentFault(pack: EvidencePack): string | undefined {
  if (sha256(canonicalize(pack.transaction) as string) !== pack.signature.transaction_digest) {
    return "the transaction was changed: its digest is not the one that was signed";
  }
  for (const { id, text } of pack.challenges) {
    const digest = textDigestOf(pack, id);
    if (text !== null && digest !== undefined && textDigest(text) !== digest) {
      return `the text of challenge ${id} was changed`;
    }
  }
  const broken = pack.provider_receipts.findIndex((receipt) => !receipt.proof_fits);
  return broken < 0
    ? undefined
    : `provider receipt ${broken + 1} was changed before the export: its proof did not fit`;
}

async function signedFault(pack: EvidencePack, keys: Keys): Promise<string | undefined> {
  const { key_id: id, signature } = pack.signed;
  const key = keys.get(id);
  if (key === undefined) return `the pack is signed with the key ${id}, which it does not have`;
  return (await isSignedBy(key, packStatement(pack), bytes(signature)))
    ? undefined
    : `the pack was changed after its export: its signature is not that of the key ${id}`;
}

/** Whether a text for people is the one that was exported with the pack. */
export function textFault(pack: EvidencePack, text: Uint8Array): string | undefined {
  if (pack.text_sha256 === undefined) return undefined;
  return createHash("sha256").update(text).digest("hex") === pack.text_sha256
    ? undefined
    : "the text beside the pack is not the one that was exported with it";
}
