import { createHash } from "node:crypto";
import { type ChainedEvent, emptyHead, eventHash } from "../../src/domain/chain.ts";
import { commitDestination } from "../../src/domain/destination.ts";
import { type EvidencePack, packFormat } from "../../src/domain/evidence-pack.ts";
import { evidenceText } from "../../src/domain/evidence-text.ts";
import { MerkleRoot } from "../../src/domain/merkle-tree.ts";
import { jwks, textDigest } from "../../src/domain/receipt.ts";
import { type Seal, sealLeaf } from "../../src/domain/seal-statement.ts";
import { canonicalTransaction, transactionDigest } from "../../src/domain/transaction.ts";
import { aTransaction } from "./domain.ts";
import { inclusionPath } from "./merkle-tree.ts";
import { signCheckpoint, signPack, signReceipt, signSeal } from "./signing.ts";

export const receiptKey = { id: "r1", key: Buffer.alloc(32, 7) };
export const receiptRing = {
  primary: "r1",
  keys: new Map([["r1", receiptKey.key as Uint8Array]]),
  retired: new Map([["r0", createHash("sha256").update("any 32 bytes").digest() as Uint8Array]]),
};

const id = "0190b0c0-0000-7000-9000-000000000001";
const challengeId = "0190b0c0-0000-7000-9000-0000000000c1";
const sid = `SM${"a".repeat(32)}`;
const text = "****** firma el pago de 12,50 EUR a Panaderia Sol (..1332). Caduca en 5 min.";
const parameters = JSON.stringify({ MessageSid: sid, MessageStatus: "delivered" });
/** What the challenge went to, and the key that its commitment was made with. */
export const destination = "+34600000001";
export const evidenceKey = { id: "e1", key: Buffer.alloc(32, 5) };
const at = (seconds: number) => new Date(Date.UTC(2026, 10, 22, 12, 0, seconds));

function chained(facts: readonly [string, Record<string, string>][]): ChainedEvent[] {
  let head = emptyHead;
  return facts.map(([type, details], index) => {
    const event = { number: index + 1, at: at(index), type, details: JSON.stringify(details) };
    head = eventHash(head, id, event);
    return { ...event, hash: head };
  });
}

/** Seals of other signatures on the same day, around this one in their order. */
function otherSeal(signatureId: string): Seal {
  return signSeal(
    { signatureId, length: 3, head: createHash("sha256").update(signatureId).digest(), sealedAt: at(8) },
    receiptKey,
  );
}

/** A whole pack: completed, one late fact, two seals, the checkpoint of their day, the receipt. */
export async function aPack(): Promise<EvidencePack> {
  const transaction = aTransaction();
  const events = chained([
    [
      "SIGNATURE_STARTED",
      {
        ...{ caller: "payments", attempts: "3", first_factor: "pin", locale: "es", life_ms: "300000" },
        transaction_digest: transactionDigest(transaction).toString("hex"),
      },
    ],
    [
      "CHALLENGE_CREATED",
      {
        ...{ challenge_id: challengeId, channel: "sms", provider: "twilio", text_digest: textDigest(text) },
        ...{ masked_destination: "+34 *** *** 001", destination_key_id: "e1" },
        destination: commitDestination(evidenceKey, { signatureId: id, challengeId }, destination).commitment,
      },
    ],
    [
      "CHALLENGE_SENT",
      {
        ...{ challenge_id: challengeId, provider_challenge_id: sid, attempt: "1" },
        ...{ sent_at: at(2).toISOString(), provider_proof: "v1;sid=x" },
      },
    ],
    [
      "SIGNATURE_COMPLETED",
      { challenge_id: challengeId, attempt: "1", receipt_key_id: "r1", text_digest: textDigest(text) },
    ],
    [
      "CHALLENGE_DELIVERED",
      {
        ...{ challenge_id: challengeId, provider_challenge_id: sid },
        ...{ report: textDigest(parameters), report_proof: "v1;sid=y" },
      },
    ],
  ]);
  const headAt = (length: number) => events[length - 1]?.hash ?? emptyHead;
  const seals = [4, 5].map((length) =>
    signSeal({ signatureId: id, length, head: headAt(length), sealedAt: at(10 + length) }, receiptKey),
  );
  const day = [
    otherSeal("0190b0c0-0000-7000-9000-000000000000"),
    ...seals,
    otherSeal("0190b0c0-0000-7000-9000-000000000002"),
    otherSeal("0190b0c0-0000-7000-9000-000000000003"),
  ].map(sealLeaf);
  const root = new MerkleRoot();
  for (const leaf of day) root.add(leaf);
  const checkpoint = signCheckpoint(
    { day: "2026-11-22", seals: root.size, digest: root.hash(), previous: Buffer.alloc(32) },
    receiptKey,
  );
  const receipt = signReceipt(
    {
      ...{ signatureId: id, caller: "payments", completedAt: at(3), channel: "sms", messageSids: [sid] },
      transactionDigest: transactionDigest(transaction).toString("hex"),
      ...{ challengeId, receiptKeyId: "r1", textDigest: textDigest(text), firstFactor: "pin" },
      ...{ chainHead: headAt(4).toString("hex"), chainLength: 4 },
    },
    receiptKey.key,
  );
  const content = {
    format: packFormat,
    exported_at: "2026-11-23T09:00:00.000Z",
    signature: {
      ...{ id, caller: "payments", status: "completed", created_at: at(0).toISOString() },
      ...{ expires_at: at(300).toISOString(), closed_at: at(3).toISOString(), abort_reason: null },
      ...{ attempts_remaining: 3, first_factor: "pin", locale: "es" },
      transaction_digest: transactionDigest(transaction).toString("hex"),
    },
    transaction: JSON.parse(canonicalTransaction(transaction)),
    challenges: [
      {
        ...{ id: challengeId, channel: "sms", provider: "twilio", status: "completed", text },
        ...{ masked_destination: "+34 *** *** 001", message_sid: sid, provider_proof: "v1;sid=x" },
        ...{ provider_error_code: null, calls: 1, created_at: at(1).toISOString() },
        ...{ sent_at: at(2).toISOString(), delivered_at: at(4).toISOString() },
      },
    ],
    provider_receipts: [
      {
        ...{ challenge_id: challengeId, received_at: at(4).toISOString(), proof: "v1;sid=y" },
        ...{ parameters, proof_fits: true },
      },
    ],
    events: events.map((event) => ({
      ...event,
      at: event.at.toISOString(),
      hash: event.hash.toString("hex"),
    })),
    seals: seals.map((seal) => ({
      length: seal.length,
      head: seal.head.toString("hex"),
      sealed_at: seal.sealedAt.toISOString(),
      key_id: seal.keyId,
      signature: seal.signature.toString("hex"),
    })),
    checkpoints: [
      {
        ...{ day: checkpoint.day, seals: checkpoint.seals, key_id: checkpoint.keyId },
        digest: checkpoint.digest.toString("hex"),
        previous: checkpoint.previous.toString("hex"),
        signature: checkpoint.signature.toString("hex"),
        inclusions: [1, 2].map((index) => ({
          length: 3 + index,
          index,
          path: inclusionPath(day, index).map((hash) => hash.toString("hex")),
        })),
        timestamps: [],
      },
    ],
    receipt,
    keys: jwks(receiptRing).keys,
  } as const;
  return signPack({ ...content, text_sha256: textDigest(evidenceText(content)) }, receiptKey);
}
