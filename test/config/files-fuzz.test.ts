import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";
import { parseKeyRings } from "../../src/config/key-rings.ts";
import { KeysFile } from "../../src/config/keys-file.ts";
import { parseCallersFile } from "../../src/grpc/callers-file.ts";
import { hostileText } from "../support/hostile-text.ts";

const ringNames = ["code-pepper", "phone-seal", "pseudonym", "evidence", "receipt"];
const goodKey = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((key) => Buffer.from(key).toString("base64"));
/** What stands where a key belongs, or a key where it does not belong. */
const keyText = fc.oneof(
  { weight: 60, arbitrary: goodKey },
  { weight: 1, arbitrary: fc.constantFrom(null, 7, {}, [], "", "AAAA", "\0", "=".repeat(44)) },
);
const keyId = fc.oneof(
  { weight: 60, arbitrary: fc.constantFrom("a1", "b2", "c.3") },
  { weight: 1, arbitrary: goodKey },
  { weight: 1, arbitrary: fc.constantFrom("__proto__", "constructor", "", " ", "é", "x".repeat(33)) },
);
const ring = fc.oneof(
  {
    weight: 60,
    arbitrary: fc
      .tuple(fc.array(fc.tuple(keyId, keyText), { minLength: 1, maxLength: 3 }), fc.nat(60), goodKey)
      .map(([keys, odd, stray]) => ({
        primary: odd === 0 ? stray : keys[0]?.[0],
        keys: odd === 1 ? stray : Object.fromEntries(keys),
        ...(odd === 2 && { retired: { r0: stray } }),
        ...(odd === 3 && { retired: stray, [stray]: stray }),
      })),
  },
  { weight: 1, arbitrary: goodKey },
  { weight: 1, arbitrary: fc.constantFrom(undefined, null, [], "", { keys: [] }) },
);
const rings = fc
  .tuple(fc.tuple(ring, ring, ring, ring, ring), fc.option(fc.tuple(goodKey, fc.constant({}))))
  .map(([five, stray]) =>
    Object.fromEntries([
      ...ringNames.map((ringName, index) => [ringName, five[index]] as const),
      ...(stray === null ? [] : [stray]),
    ]),
  );

/** Every text of 43 base64 characters, as which a key of 32 bytes is written. */
const wholeKey = /[A-Za-z0-9+/]{43}/;

test("any key rings are taken whole, or refused without a key in the message", () => {
  const outcomes = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.oneof({ weight: 9, arbitrary: rings }, { weight: 1, arbitrary: fc.jsonValue() }),
      (document) => {
        const parsed = parseKeyRings(document);
        if ("faults" in parsed) {
          expect(parsed.faults.length).toBeGreaterThan(0);
          expect(parsed.faults.join("\n")).not.toMatch(wholeKey);
          outcomes.refused += 1;
          return;
        }
        for (const { primary, keys } of Object.values(parsed.keys)) {
          expect(keys.get(primary)).toHaveLength(32);
          expect([...keys.values()].every((key: Uint8Array) => key.length === 32)).toBe(true);
        }
        outcomes.taken += 1;
      },
    ),
    { numRuns: 1000, endOnFailure: true },
  );
  expect(outcomes.taken).toBeGreaterThan(10);
  expect(outcomes.refused).toBeGreaterThan(10);
});

const directory = mkdtempSync(join(tmpdir(), "keys-fuzz-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The text of a file with something done to it that an editor, a disk or an attacker may do. */
function damaged(text: string, how: number, at: number): string {
  const place = at % (text.length + 1);
  switch (how % 5) {
    case 0:
      return text.slice(0, place);
    case 1:
      return `${text.slice(0, place)}\0${text.slice(place)}`;
    case 2:
      return "[".repeat(200_000);
    case 3:
      return `${text.slice(0, place)}"${text.slice(place)}`;
    default:
      return `\ufeff${text}`;
  }
}

test("any keys file is read, or refused as a fault of the configuration that quotes none of it", () => {
  const path = join(directory, "keys.json");
  fc.assert(
    fc.property(rings, fc.nat(9), fc.nat(3000), (document, how, at) => {
      const text = JSON.stringify(document);
      writeFileSync(path, how < 5 ? damaged(text, how, at) : text, { mode: 0o600 });
      try {
        new KeysFile(path);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expect(error.message).not.toMatch(wholeKey);
      }
    }),
    { numRuns: 200, endOnFailure: true },
  );
});

const callerName = fc.oneof(
  fc.constantFrom("payments", "cards", "local", "__proto__", "", 7, null),
  hostileText,
);
const names = fc.oneof(
  fc.array(
    fc.constantFrom("DNS:a.bank", "DNS:A.bank", "URI:spiffe://bank/a", "IP:1.2.3.4", "DNS:*.bank", "*", 1),
    { maxLength: 4 },
  ),
  fc.constantFrom("DNS:a.bank", null, {}),
);
const methods = fc.oneof(
  fc.constant(["*"]),
  fc.array(fc.constantFrom("StartSignature", "GetSignature", "Steal", "toString"), { maxLength: 3 }),
);
const callers = fc.record(
  {
    callers: fc.oneof(
      fc.array(
        fc.record(
          {
            name: callerName,
            san: names,
            methods,
            per_second: fc.oneof(fc.double(), fc.constantFrom("1", null)),
          },
          { requiredKeys: ["name", "san", "methods"] },
        ),
        { maxLength: 4 },
      ),
      fc.constant([{ name: "payments", san: ["DNS:a.bank"], methods: ["*"] }]),
      fc.jsonValue(),
    ),
    other: fc.constant(1),
  },
  { requiredKeys: ["callers"] },
);

test("any callers file gives every certificate name to one caller that is listed, or is refused with its faults", () => {
  const outcomes = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(callers, fc.nat(19), fc.nat(3000), (document, how, at) => {
      const text = JSON.stringify(document);
      try {
        const { list, bySubjectAltName } = parseCallersFile(how < 5 ? damaged(text, how, at) : text);
        expect(new Set(list.map((caller) => caller.name)).size).toBe(list.length);
        for (const caller of list) {
          expect(caller.name).toMatch(/^(?!local$)[a-z0-9][a-z0-9._-]{0,62}$/);
          expect(caller.perSecond ?? 1).toBeGreaterThan(0);
        }
        for (const [san, caller] of bySubjectAltName) {
          expect(san).toMatch(/^DNS:[a-z0-9._-]+$|^URI:\S+$/);
          expect(list).toContain(caller);
        }
        outcomes.taken += 1;
      } catch (error) {
        expect(error).toMatchObject({ message: expect.stringMatching(/^callers file: ./s) });
        outcomes.refused += 1;
      }
    }),
    { numRuns: 1000, endOnFailure: true },
  );
  expect(outcomes.taken).toBeGreaterThan(10);
  expect(outcomes.refused).toBeGreaterThan(10);
});
