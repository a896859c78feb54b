import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";
import { parseKeyRings } from "../../src/config/key-rings.ts";
import { KeysFile } from "../../src/config/keys-file.ts";
import { type Config, readConfig, secretVariables } from "../../src/config.ts";
import { parseCallersFile } from "../../src/grpc/callers-file.ts";
import { hostileText } from "../support/hostile-text.ts";

/** Every value of a secret variable holds it, so that no piece of one can hide in a message. */
const mark = "Zq7Marked";
const live = {
  TWILIO_ACCOUNT_SID: `AC${"0".repeat(32)}`,
  TWILIO_AUTH_TOKEN: mark,
  TWILIO_FROM_NUMBER: "+34910000000",
  SIGNATURE_ALLOWED_COUNTRIES: "*",
};

type Variables = Readonly<Record<string, string | undefined>>;

/** Every name that the configuration is read from. */
const known = (() => {
  const names = new Set<string>();
  const recording = new Proxy({ ...live } as Record<string, string | undefined>, {
    get(target, name) {
      if (typeof name === "string") names.add(name);
      return Reflect.get(target, name);
    },
  });
  readConfig(recording);
  return [...names];
})();

const value = fc.oneof(
  { weight: 4, arbitrary: hostileText },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...["", " ", "0", "1", "-1", "1e9", "0x10", "NaN", "Infinity", ".5", "1.", "9".repeat(400), "5", "60"],
      ...[
        "127.0.0.1:0",
        "[::1]:1",
        "0.0.0.0:50051",
        ":::",
        "host:99999",
        "https://a.example",
        "http://[::1]/",
      ],
      ...["https://user:word@a.example/#x", "http://[", "javascript:1", "postgres://a:b@h/d", "postgres://["],
      ...["*", "ES", "ES,,FR", ",", "es", "on", "off", "true", "refuse", "production", "/dev/null", "a\0b"],
      ...["__proto__", "constructor", "$HOME", "%00", "\ud800", "{}", "[", "true\n"],
    ),
  },
  { weight: 1, arbitrary: hostileText.map((text) => text.repeat(500)) },
);
const secret = value.map((text) => `${text.slice(0, 1000)}${mark}${text.slice(0, 1000)}`);

const edit = fc.record({ at: fc.nat(60), put: fc.constantFrom("", "S", "_", "É", "\0"), cut: fc.nat(1) });
const nearMiss = fc.tuple(fc.constantFrom(...known), edit).map(([name, { at, put, cut }]) => {
  const place = at % name.length;
  return name.slice(0, place) + put + name.slice(place + cut);
});
const name = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...known) },
  { weight: 1, arbitrary: nearMiss },
  { weight: 1, arbitrary: fc.constantFrom("__proto__", "constructor", "TWILIO_", "SIGNATURE_é", "OTEL_X") },
);
const isSecret = (variable: string) => secretVariables.some((one) => one === variable);
const anyEnvironment: fc.Arbitrary<Variables> = fc
  .tuple(
    fc.constantFrom({}, live),
    fc.array(fc.tuple(name, value, secret), { maxLength: 8 }),
    // A secret anywhere, beside whatever faults there are.
    fc.array(fc.tuple(fc.constantFrom(...secretVariables), secret), { maxLength: 2 }),
  )
  .map(([base, some, secrets]) =>
    Object.fromEntries([
      ...Object.entries(base),
      ...some.map(([key, plain, marked]) => [key, isSecret(key) ? marked : plain] as const),
      ...secrets,
    ]),
  );

function isDeeplyFrozen(part: unknown): boolean {
  if (typeof part !== "object" || part === null) return true;
  return Object.isFrozen(part) && Object.values(part).every(isDeeplyFrozen);
}

/** @throws where the message is not one line for each fault, or tells a secret */
function checkMessage({ message }: Error): void {
  const [head, ...faults] = message.split("\n");
  expect(head).toBe(`The configuration has ${faults.length} fault${faults.length === 1 ? "" : "s"}:`);
  for (const fault of faults) expect(fault).toMatch(/^ {2}- \S/);
  expect(message).not.toContain(mark);
}

const counted = { accepted: 0, refused: 0 };

test("any environment makes a frozen configuration that prints no secret, or a list of faults that tells none", () => {
  fc.assert(
    fc.property(anyEnvironment, (env) => {
      let config: Config;
      try {
        config = readConfig(env);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        checkMessage(error);
        counted.refused += 1;
        return;
      }
      expect(isDeeplyFrozen(config)).toBe(true);
      const printed = inspect(config, { depth: null, showHidden: true, maxStringLength: null });
      expect(`${printed}${JSON.stringify(config, null, 1)}`).not.toContain(mark);
      counted.accepted += 1;
    }),
    { numRuns: 3000, endOnFailure: true },
  );
  expect(counted.accepted).toBeGreaterThan(50);
  expect(counted.refused).toBeGreaterThan(50);
});

test("headers for the collector, which hold its credentials, are no part of the configuration", () => {
  const config = readConfig({
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer ${mark}`,
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: `authorization=Bearer ${mark}`,
    OTEL_TRACES_EXPORTER: "otlp",
  });
  expect(inspect(config, { depth: null })).not.toContain(mark);
  expect(config.otel["OTEL_TRACES_EXPORTER"]).toBe("otlp");
});

test("a name one edit away from one of ours is a fault that names it", () => {
  const ours = known.filter((one) => /^(TWILIO|SIGNATURE|VAULT|DATABASE|TLS|CALLERS|PUBLIC)_/.test(one));
  fc.assert(
    fc.property(fc.constantFrom(...ours), fc.nat(60), fc.constantFrom("X", "_", "É"), (one, at, put) => {
      const place = 1 + (at % (one.length - 1));
      const misspelt = one.slice(0, place) + put + one.slice(place);
      fc.pre(!known.includes(misspelt));
      expect(() => readConfig({ ...live, [misspelt]: "1" })).toThrow(`  - ${misspelt} `);
    }),
    { numRuns: 500, endOnFailure: true },
  );
});

const ringNames = ["code-pepper", "phone-seal", "pseudonym", "evidence", "receipt"];
const goodKey = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((key) => Buffer.from(key).toString("base64"));
/** What stands where a key belongs, or a key where it does not belong. */
const keyText = fc.oneof(
  { weight: 6, arbitrary: goodKey },
  { weight: 1, arbitrary: fc.constantFrom(null, 7, {}, [], "", "AAAA", "\0", "=".repeat(44)) },
);
const keyId = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("a1", "b2", "c.3") },
  { weight: 1, arbitrary: goodKey },
  { weight: 1, arbitrary: fc.constantFrom("__proto__", "constructor", "", " ", "é", "x".repeat(33)) },
);
const ring = fc.oneof(
  {
    weight: 20,
    arbitrary: fc
      .tuple(fc.array(fc.tuple(keyId, keyText), { minLength: 1, maxLength: 3 }), fc.nat(9), goodKey)
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
    { numRuns: 3000, endOnFailure: true },
  );
  expect(outcomes.taken).toBeGreaterThan(50);
  expect(outcomes.refused).toBeGreaterThan(50);
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
    { numRuns: 500, endOnFailure: true },
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
    { numRuns: 3000, endOnFailure: true },
  );
  expect(outcomes.taken).toBeGreaterThan(50);
  expect(outcomes.refused).toBeGreaterThan(50);
});
