import { inspect } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError } from "../../src/config/config-error.ts";
import { type Config, readConfig, secretVariables } from "../../src/config.ts";
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
    { numRuns: 150, endOnFailure: true },
  );
  expect(counted.accepted).toBeGreaterThan(2);
  expect(counted.refused).toBeGreaterThan(2);
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
    { numRuns: 100, endOnFailure: true },
  );
});

test("a value longer than any file is read under any name, or refused", () => {
  // A pattern that goes back and forth over it would outlast the test's own limit.
  for (const piece of ["/", "a.", " ,", "x@"]) {
    const long = `https://x/${piece.repeat(280_000 / piece.length)}q`;
    for (const one of known) {
      try {
        readConfig({ ...live, [one]: long });
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
      }
    }
  }
});

test("a sandbox may be reached at every address of loopback", () => {
  for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
    expect(readConfig({ PUBLIC_URL: `http://${host}:8080` }).publicUrl).toBe(`http://${host}:8080`);
  }
});
