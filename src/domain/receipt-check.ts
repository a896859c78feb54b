import type { Channel } from "./challenge.ts";
import { isSignedBy } from "./ed25519.ts";
import { receiptParts } from "./receipt.ts";

/** What a receipt is compared with: the signature, its challenges and its timeline. */
export interface ReceiptContext {
  readonly id: string;
  readonly caller: string;
  readonly firstFactor: string;
  readonly transactionDigest: string;
  readonly challenges: readonly { readonly id: string; readonly channel: string }[];
  readonly events: readonly {
    readonly number: number;
    readonly at: string;
    readonly type: string;
    readonly details: string;
    readonly hash: string;
  }[];
}

/** The header and payload texts of a compact JWS that this key signed, undefined for any other. */
export async function openReceipt(
  jws: string,
  publicKey: Uint8Array,
): Promise<{ header: string; payload: string } | undefined> {
  const parts = jws.split(".");
  // Base64url has spare bits at the end: another spelling of the same bytes is not the same receipt.
  const isCanonical = (part: string) => Buffer.from(part, "base64url").toString("base64url") === part;
  if (parts.length !== 3 || !parts.every(isCanonical)) return undefined;
  const [header = "", payload = "", signature = ""] = parts;
  const signed = Buffer.from(`${header}.${payload}`);
  if (!(await isSignedBy(publicKey, signed, Buffer.from(signature, "base64url")))) return undefined;
  const text = (part: string) => Buffer.from(part, "base64url").toString("utf8");
  return { header: text(header), payload: text(payload) };
}

/** What does not fit about the receipt of a signature, or about its absence; undefined where all fits. */
export async function receiptFault(
  context: ReceiptContext,
  receipt: string | null,
  keys: ReadonlyMap<string, Uint8Array>,
): Promise<string | undefined> {
  const completion = context.events.find((event) => event.type === "SIGNATURE_COMPLETED");
  if (completion === undefined) {
    return receipt === null ? undefined : "there is a receipt, and no event says that it was completed";
  }
  if (receipt === null) return "the receipt of the completion is missing";
  const details = JSON.parse(completion.details) as Readonly<Record<string, string>>;
  const { challenge_id: challengeId = "", receipt_key_id: keyId = "" } = details;
  const key = keys.get(keyId);
  if (key === undefined) return `the receipt needs the key ${keyId}, which is not known`;
  const opened = await openReceipt(receipt, key);
  if (opened === undefined) return `the receipt was changed: its signature is not that of the key ${keyId}`;
  const messages = context.events.filter(
    ({ number, type }) => number < completion.number && /^(CHALLENGE|DUPLICATE)_SENT$/.test(type),
  );
  const { header, payload } = receiptParts({
    ...{ caller: context.caller, firstFactor: context.firstFactor, challengeId, receiptKeyId: keyId },
    transactionDigest: context.transactionDigest,
    signatureId: context.id,
    completedAt: new Date(completion.at),
    channel: (context.challenges.find(({ id }) => id === challengeId)?.channel ?? "") as Channel,
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
  return `the receipt says something else than the events about ${name ?? "the order of its claims"}`;
}
