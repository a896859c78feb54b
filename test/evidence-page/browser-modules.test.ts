import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { packFault } from "../../src/domain/evidence-check.ts";
import { parsePack } from "../../src/domain/evidence-pack.ts";
import { Buffer as PageBuffer } from "../../src/evidence-page/buffer.ts";
import { hasEd25519 } from "../../src/evidence-page/node-crypto.ts";
import { sha256 } from "../../src/evidence-page/sha-256.ts";
import { spanishFault } from "../../src/evidence-page/spanish-faults.ts";
import { amountIn, visible } from "../../src/evidence-page/values.ts";
import { changedPack, flipped, leaves, resignedChanges, setAt, valueAt } from "../support/changed-packs.ts";
import { aPack } from "../support/evidence-pack.ts";

const pack = await aPack();

describe("what stands for Node's modules in the page", () => {
  test("hashes as Node does, at every length around a block", () => {
    for (let length = 0; length < 300; length += 1) {
      const content = Buffer.alloc(length, length);
      expect(Buffer.from(sha256(content))).toEqual(createHash("sha256").update(content).digest());
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (content) => {
        expect(Buffer.from(sha256(content))).toEqual(createHash("sha256").update(content).digest());
      }),
    );
  });

  test("reads and writes bytes as Node's Buffer does, whatever it is given", () => {
    const encodings = fc.constantFrom("hex" as const, "base64url" as const, "utf8" as const);
    const spelled = fc.oneof(
      fc.record({ text: fc.string({ unit: "binary" }), encoding: fc.constant("utf8" as const) }),
      fc.record({ text: fc.stringMatching(/^([0-9a-f]{2})*$/), encoding: fc.constant("hex" as const) }),
      fc.record({ text: fc.stringMatching(/^[\w+/ -]*$/), encoding: fc.constant("base64url" as const) }),
    );
    fc.assert(
      fc.property(spelled, ({ text, encoding }) => {
        expect([...PageBuffer.from(text, encoding)]).toEqual([...Buffer.from(text, encoding)]);
      }),
    );
    // Whether a text is the one spelling of its bytes.
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.base64String()), (text) => {
        const again = PageBuffer.from(text, "base64url").toString("base64url");
        expect(again === text).toBe(Buffer.from(text, "base64url").toString("base64url") === text);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array(), encodings, (bytes, encoding) => {
        const own = PageBuffer.concat([PageBuffer.from(bytes), bytes]);
        expect(own.toString(encoding)).toBe(Buffer.concat([bytes, bytes]).toString(encoding));
      }),
    );
  });

  test("judges the signature of RFC 8032", async () => expect(await hasEd25519()).toBe(true));
});

test("every fault that a changed pack has is said in Spanish, with its values in their places", async () => {
  const places = Object.keys(pack)
    .flatMap((part) => leaves(pack[part as keyof typeof pack], [part]))
    .filter((place) => !["", null, undefined].includes(valueAt(pack, place) as string | null));
  const packs = [
    ...places.map((place) =>
      changedPack(pack, (copy) => setAt(copy, place, flipped(valueAt(copy, place), 3, 1))),
    ),
    ...resignedChanges.map(([, change]) => changedPack(pack, change, true)),
    ...["", "{}"],
  ];
  const faults = new Set<string>();
  for (const text of packs) {
    const parsed = parsePack(Buffer.from(text));
    faults.add(("fault" in parsed ? parsed.fault : await packFault(parsed.pack)) ?? "none");
  }
  expect(faults.size).toBeGreaterThan(30);
  expect([...faults].filter((fault) => spanishFault(fault) === undefined)).toEqual([]);
  expect(spanishFault("the seal over 4 events: the key r1 was revoked on 2026-11-22, before it signed")).toBe(
    "el sello sobre 4 eventos: la clave r1 fue revocada el 2026-11-22, antes de firmar",
  );
  expect(spanishFault("something new")).toBeUndefined();
});

test("amounts are exact, and what cannot be seen in a text is shown", () => {
  const amount = (units: string, nanos: string, code = "EUR") =>
    amountIn("es", { units, nanos, currency_code: code });
  expect(amount("9007199254740993", "10000000")).toBe("9.007.199.254.740.993,01\u00a0EUR");
  expect(amount("-5", "-500000000")).toBe("-5,50\u00a0EUR");
  expect(amount("1500", "0", "JPY")).toBe("1500\u00a0JPY");
  expect(amount("1", "x")).toBe('{"units":"1","nanos":"x","currency_code":"EUR"}');
  expect(visible("a\u202eb\u200bc\u0000\ná")).toBe("a⟨U+202E⟩b⟨U+200B⟩c⟨U+0000⟩\ná");
});
