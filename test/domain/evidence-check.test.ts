import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packFault } from "../../src/domain/evidence-check.ts";
import { type EvidencePack, packFile, parsePack } from "../../src/domain/evidence-pack.ts";
import { jwks, type PublicJwk } from "../../src/domain/receipt.ts";
import { aPack, receiptKey } from "../support/evidence-pack.ts";
import { signPack } from "../support/signing.ts";

const pack = await aPack();
const file = packFile(pack).toString();

async function faultIn(text: string): Promise<string | undefined> {
  const parsed = parsePack(Buffer.from(text));
  return "fault" in parsed ? parsed.fault : await packFault(parsed.pack);
}

type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };

/** The pack after a change, its own signature as it was, or made again by whoever holds the key. */
function changed(change: (pack: Mutable<EvidencePack>) => void, resigned = false): string {
  const copy = structuredClone(pack) as Mutable<EvidencePack>;
  change(copy);
  const { signed: _, ...content } = copy as EvidencePack;
  return packFile(resigned ? signPack(content, receiptKey) : (copy as EvidencePack)).toString();
}

/** Every place in a part of the pack where a byte can be changed, as path and value. */
function leaves(value: unknown, path: readonly (string | number)[]): (readonly (string | number)[])[] {
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) =>
    leaves(inner, [...path, Array.isArray(value) ? Number(name) : name]),
  );
}

/** The same value with one bit of one character flipped, a number or a boolean with another one. */
function flipped(value: unknown, at: number, bit: number): unknown {
  if (typeof value === "boolean") return !value;
  if (typeof value === "number") return value + 1;
  const text = String(value);
  const index = at % text.length;
  const character = String.fromCharCode(text.charCodeAt(index) ^ (1 << bit));
  return text.slice(0, index) + character + text.slice(index + 1);
}

describe("a pack", () => {
  test("fits as it was exported, with and without the published keys", async () => {
    expect(await faultIn(file)).toBeUndefined();
    expect(await packFault(pack, pack.keys)).toBeUndefined();
    const foreign = pack.keys.map((key) => ({ ...key, x: Buffer.alloc(32, 9).toString("base64url") }));
    expect(await packFault(pack, foreign)).toBe("the key r1 of the pack is not among the published keys");
  });

  test("with one bit of anything changed fits no more, and the part that it is in is named", async () => {
    const parts = {
      events: /event/,
      seals: /seal/,
      checkpoints: /checkpoint|seal/,
      receipt: /receipt/,
      challenges: /challenge|receipt|changed after its export/,
      provider_receipts: /provider.receipt|the report of|changed after its export/,
      transaction: /transaction/,
      signature: /./,
      keys: /key|changed after its export/,
      signed: /signed|pack/,
    } as const;
    const places = Object.keys(parts).flatMap((part) => leaves(pack[part as keyof EvidencePack], [part]));
    const flips = fc.record({
      place: fc.constantFrom(...places.filter((path) => at(pack, path) !== null && at(pack, path) !== "")),
      index: fc.nat({ max: 2000 }),
      bit: fc.integer({ min: 0, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(flips, async ({ place, index, bit }) => {
        const fault = await faultIn(
          changed((copy) => {
            const parent = at(copy, place.slice(0, -1)) as Record<string | number, unknown>;
            parent[place.at(-1) ?? ""] = flipped(parent[place.at(-1) ?? ""], index, bit);
          }),
        );
        expect(fault).toMatch(parts[place[0] as keyof typeof parts]);
      }),
      { numRuns: 800 },
    );
  });

  test("with every character of an event, a seal and the checkpoint's digest flipped in turn fits no more", async () => {
    for (const path of [
      ["events", 2, "details"],
      ["events", 2, "hash"],
      ["seals", 0, "signature"],
      ["checkpoints", 0, "digest"],
    ]) {
      const value = String(at(pack, path));
      for (let index = 0; index < value.length; index += 1) {
        const text = changed((copy) => {
          const parent = at(copy, path.slice(0, -1)) as Record<string | number, unknown>;
          parent[path.at(-1) ?? ""] = flipped(value, index, 0);
        });
        expect(await faultIn(text)).toBeDefined();
      }
    }
  });

  // By somebody with the receipt key but without the power to change what was signed before.
  test.each([
    [
      "a cut tail",
      (copy: Mutable<EvidencePack>) => void copy.events.pop(),
      "event 5 is missing: the tail was cut, the seal over 5 events shows that there were more",
    ],
    [
      "a missing event",
      (copy: Mutable<EvidencePack>) => void copy.events.splice(1, 1),
      "event 2 is missing: number 3 stands in its place",
    ],
    [
      "a missing last seal",
      (copy: Mutable<EvidencePack>) => void copy.seals.pop(),
      "the seal over events 5 to 5 is missing",
    ],
    [
      "no seals at all",
      (copy: Mutable<EvidencePack>) => void copy.seals.splice(0),
      "the seal over the end of the signature is missing",
    ],
    [
      "a cut end",
      (copy: Mutable<EvidencePack>) => {
        copy.events.splice(3);
        copy.seals.splice(0);
      },
      "the signature is completed, and no event says so: the end of the timeline was cut off",
    ],
    [
      "another status",
      (copy: Mutable<EvidencePack>) => {
        copy.signature.status = "aborted";
      },
      "the status is aborted, and event 4 is SIGNATURE_COMPLETED",
    ],
    [
      "no checkpoint",
      (copy: Mutable<EvidencePack>) => void copy.checkpoints.splice(0),
      "the checkpoint of 2026-11-22, the day of the seal over 4 events, is missing",
    ],
    [
      "a day from which a seal was removed",
      (copy: Mutable<EvidencePack>) => void copy.checkpoints[0]?.inclusions[0]?.path.pop(),
      "the seal over 4 events does not lead to the checkpoint of 2026-11-22: a seal of that day was changed, added or removed",
    ],
    [
      "no receipt",
      (copy: Mutable<EvidencePack>) => {
        copy.receipt = null;
      },
      "the receipt of the completion is missing",
    ],
    [
      "another caller",
      (copy: Mutable<EvidencePack>) => {
        copy.signature.caller = "cards";
      },
      "the receipt says something else than the events about aud",
    ],
    [
      "another amount",
      (copy: Mutable<EvidencePack>) => {
        (copy.transaction as { amount: { units: string } }).amount.units = "13";
      },
      "the transaction was changed: its digest is not the one that was signed",
    ],
    [
      "another text",
      (copy: Mutable<EvidencePack>) => {
        const [challenge] = copy.challenges;
        if (challenge) challenge.text = `${challenge.text} `;
      },
      "the text of challenge 0190b0c0-0000-7000-9000-0000000000c1 was changed",
    ],
    [
      "a report whose proof did not fit",
      (copy: Mutable<EvidencePack>) => {
        for (const receipt of copy.provider_receipts) receipt.proof_fits = false;
      },
      "provider receipt 1 was changed before the export: its proof did not fit",
    ],
  ])("with %s names it, even under a new signature of its own", async (_, change, fault) => {
    expect(await faultIn(changed(change, true))).toBe(fault);
  });

  test("exported on the day of its seals needs no checkpoint yet", async () => {
    const text = changed((copy) => {
      copy.exported_at = "2026-11-22T23:00:00.000Z";
      copy.checkpoints.splice(0);
    }, true);
    expect(await faultIn(text)).toBeUndefined();
  });

  test.each([
    ["", "not JSON"],
    ["{}", "does not have the form"],
    ["[]", "form"],
    ['{"format":1}', "pack.format"],
  ])("%j is none", async (text, fault) => expect(await faultIn(text)).toContain(fault));

  test.each([
    ["a member that stands twice", file.replace('"status":', '"status": "aborted",\n    "status":')],
    ["another escape", file.replace('"payments"', '"p\\u0061yments"')],
    ["another number", file.replace('"number": 1,', '"number": 1.0,')],
    ["no spaces", JSON.stringify(pack)],
    ["a mark of byte order", `\ufeff${file}`],
    ["a line more", `${file}\n`],
  ])("in another spelling, with %s, is none", async (_, text) => {
    expect(text).not.toBe(file);
    expect(await faultIn(text)).toMatch(/^the file is not (spelled|JSON)/);
  });

  test.each([
    ["masked_destination", "+34 *** *** 999"],
    ["provider", "another"],
    ["message_sid", `SM${"b".repeat(32)}`],
    ["sent_at", "2026-11-22T11:00:00.000Z"],
    ["delivered_at", null],
    ["calls", 4],
    ["created_at", "2026-11-22T11:00:00.000Z"],
    ["provider_proof", "v1;sid=z"],
    ["provider_error_code", "30003"],
    ["status", "failed"],
  ])("whose events say another %s of a challenge names it, though it is signed", async (name, value) => {
    const text = changed((copy) => Object.assign(copy.challenges[0] ?? {}, { [name]: value }), true);
    expect(await faultIn(text)).toMatch(new RegExp(`^${name} of challenge .* is .*, and its events say`));
  });

  test.each([
    ["created_at", "2026-11-22T11:00:00.000Z"],
    ["expires_at", "2026-11-22T13:00:00.000Z"],
    ["closed_at", "2026-11-22T12:00:01.000Z"],
    ["abort_reason", "operator"],
    ["attempts_remaining", 1],
    ["locale", "en"],
  ])("whose events say another %s names it, though it is signed", async (name, value) => {
    const text = changed((copy) => Object.assign(copy.signature, { [name]: value }), true);
    expect(await faultIn(text)).toMatch(new RegExp(`^${name} of the signature is `));
  });

  test("from which a report of the provider was taken names it, though it is signed", async () => {
    const text = changed((copy) => void copy.provider_receipts.pop(), true);
    expect(await faultIn(text)).toMatch(/^the report of .* on challenge .* is missing/);
  });

  test("names what was signed with a key outside its time, as the bank publishes it", async () => {
    const seconds = (at: string) => Date.parse(at) / 1000;
    const published = (window: Partial<PublicJwk>) => pack.keys.map((key) => ({ ...key, ...window }));
    const fault = (window: Partial<PublicJwk>) => packFault(pack, published(window));
    expect(
      await fault({ nbf: seconds("2026-11-22T12:00:00Z"), exp: seconds("2027-01-01T00:00:00Z") }),
    ).toBeUndefined();
    expect(await fault({ revoked_at: seconds("2026-11-22T12:00:14.000Z") })).toBe(
      "the seal over 4 events: the key r1 was revoked on 2026-11-22T12:00:14.000Z, before it signed",
    );
    expect(await fault({ exp: seconds("2026-11-22T20:00:00Z") })).toBe(
      "the checkpoint of 2026-11-22: the key r1 was not to be used any more from 2026-11-22T20:00:00.000Z on",
    );
    expect(await fault({ exp: seconds("2026-11-23T08:00:00Z") })).toBe(
      "the pack: the key r1 was not to be used any more from 2026-11-23T08:00:00.000Z on",
    );
    expect(await fault({ nbf: seconds("2026-11-22T12:00:20Z") })).toMatch(
      "the seal over 4 events: the key r1 was not in use before 2026-11-22T12:00:20.000Z",
    );
  });

  test("of a key that is retired is not a pack of today, whatever the pack says of its keys", async () => {
    const text = changed((copy) => {
      copy.exported_at = "2026-12-24T09:00:00.000Z";
    }, true);
    const parsed = parsePack(Buffer.from(text));
    if ("fault" in parsed) throw new Error(parsed.fault);
    const [own] = pack.keys;
    const keys = new Map([["r1", Buffer.from(own?.x ?? "", "base64url")]]);
    const ring = { primary: "r2", keys: new Map([["r2", Buffer.alloc(32, 8)]]), retired: keys };
    const history = new Map([["r1", { retired: new Date("2026-12-01T00:00:00Z") }]]);
    const published = [...jwks(ring, history).keys, ...pack.keys.filter(({ kid }) => kid !== "r1")];
    expect(await packFault(parsed.pack, published)).toBe(
      "the pack: the key r1 was not to be used any more from 2026-12-01T00:00:00.000Z on",
    );
  });

  test("does not repeat a text that it does not expect", async () => {
    const text = JSON.stringify({ ...pack, "+34600111001": 1 });
    expect(await faultIn(text)).toBe(
      "a member of pack does not have the form that signature-evidence-v2 gives it",
    );
  });
});

function at(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, name) => (inner as Record<string | number, unknown>)[name], value);
}
