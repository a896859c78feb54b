import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packFault } from "../../src/domain/evidence-check.ts";
import { type EvidencePack, packFile, parsePack } from "../../src/domain/evidence-pack.ts";
import { jwks, type PublicJwk } from "../../src/domain/receipt.ts";
import { changedPack, flipped, leaves, resignedChanges, setAt, valueAt } from "../support/changed-packs.ts";
import { aPack } from "../support/evidence-pack.ts";

const pack = await aPack();
const file = packFile(pack).toString();

async function faultIn(text: string): Promise<string | undefined> {
  const parsed = parsePack(Buffer.from(text));
  return "fault" in parsed ? parsed.fault : await packFault(parsed.pack);
}

const changed = (change: Parameters<typeof changedPack>[1], resigned = false) =>
  changedPack(pack, change, resigned);

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
      place: fc.constantFrom(
        ...places.filter((path) => valueAt(pack, path) !== null && valueAt(pack, path) !== ""),
      ),
      index: fc.nat({ max: 2000 }),
      bit: fc.integer({ min: 0, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(flips, async ({ place, index, bit }) => {
        const fault = await faultIn(
          changed((copy) => setAt(copy, place, flipped(valueAt(copy, place), index, bit))),
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
      const value = String(valueAt(pack, path));
      for (let index = 0; index < value.length; index += 1) {
        const text = changed((copy) => setAt(copy, path, flipped(value, index, 0)));
        expect(await faultIn(text)).toBeDefined();
      }
    }
  });

  // By somebody with the receipt key but without the power to change what was signed before.
  test.each(resignedChanges)(
    "with %s names it, even under a new signature of its own",
    async (_, change, fault) => {
      expect(await faultIn(changed(change, true))).toBe(fault);
    },
  );

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
