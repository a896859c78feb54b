import { type EvidencePack, packFile } from "../../src/domain/evidence-pack.ts";
import { receiptKey } from "./evidence-pack.ts";
import { signPack } from "./signing.ts";

export type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };

/** A pack after a change, its own signature as it was, or made again by whoever holds the key. */
export function changedPack(
  pack: EvidencePack,
  change: (pack: Mutable<EvidencePack>) => void,
  resigned = false,
): string {
  const copy = structuredClone(pack) as Mutable<EvidencePack>;
  change(copy);
  const { signed: _, ...content } = copy as EvidencePack;
  return packFile(resigned ? signPack(content, receiptKey) : (copy as EvidencePack)).toString();
}

/** Every place in a part of a pack where a byte can be changed, as path and value. */
export function leaves(value: unknown, path: readonly (string | number)[]): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) =>
    leaves(inner, [...path, Array.isArray(value) ? Number(name) : name]),
  );
}

/** The same value with one bit of one character flipped, a number or a boolean with another one. */
export function flipped(value: unknown, at: number, bit: number): unknown {
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") return value + 1;
  const text = String(value);
  const index = at % text.length;
  const character = String.fromCharCode(text.charCodeAt(index) ^ (1 << bit));
  return text.slice(0, index) + character + text.slice(index + 1);
}

export function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, name) => (inner as Record<string | number, unknown>)[name], value);
}

/** Sets what stands at a path. */
export function setAt(pack: unknown, path: readonly (string | number)[], value: unknown): void {
  const parent = valueAt(pack, path.slice(0, -1)) as Record<string | number, unknown>;
  parent[path.at(-1) ?? ""] = value;
}

type Change = (pack: Mutable<EvidencePack>) => void;

/** What somebody with the receipt key does, but without the power to change what was signed before. */
export const resignedChanges: readonly (readonly [name: string, change: Change, fault: string])[] = [
  [
    "a cut tail",
    (copy) => void copy.events.pop(),
    "event 5 is missing: the tail was cut, the seal over 5 events shows that there were more",
  ],
  [
    "a missing event",
    (copy) => void copy.events.splice(1, 1),
    "event 2 is missing: number 3 stands in its place",
  ],
  ["a missing last seal", (copy) => void copy.seals.pop(), "the seal over events 5 to 5 is missing"],
  [
    "no seals at all",
    (copy) => void copy.seals.splice(0),
    "the seal over the end of the signature is missing",
  ],
  [
    "a cut end",
    (copy) => {
      copy.events.splice(3);
      copy.seals.splice(0);
    },
    "the signature is completed, and no event says so: the end of the timeline was cut off",
  ],
  [
    "another status",
    (copy) => {
      copy.signature.status = "aborted";
    },
    "the status is aborted, and event 4 is SIGNATURE_COMPLETED",
  ],
  [
    "no checkpoint",
    (copy) => void copy.checkpoints.splice(0),
    "the checkpoint of 2026-11-22, the day of the seal over 4 events, is missing",
  ],
  [
    "a day from which a seal was removed",
    (copy) => void copy.checkpoints[0]?.inclusions[0]?.path.pop(),
    "the seal over 4 events does not lead to the checkpoint of 2026-11-22: a seal of that day was changed, added or removed",
  ],
  [
    "no receipt",
    (copy) => {
      copy.receipt = null;
    },
    "the receipt of the completion is missing",
  ],
  [
    "another caller",
    (copy) => {
      copy.signature.caller = "cards";
    },
    "the receipt says something else than the events about aud",
  ],
  [
    "another amount",
    (copy) => {
      (copy.transaction as { amount: { units: string } }).amount.units = "13";
    },
    "the transaction was changed: its digest is not the one that was signed",
  ],
  [
    "another text",
    (copy) => {
      const [challenge] = copy.challenges;
      if (challenge) challenge.text = `${challenge.text} `;
    },
    "the text of challenge 0190b0c0-0000-7000-9000-0000000000c1 was changed",
  ],
  [
    "a report whose proof did not fit",
    (copy) => {
      for (const receipt of copy.provider_receipts) receipt.proof_fits = false;
    },
    "provider receipt 1 was changed before the export: its proof did not fit",
  ],
];
