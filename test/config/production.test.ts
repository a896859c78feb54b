import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { readConfig, readDatabaseConfig } from "../../src/config.ts";

const folder = mkdtempSync(join(tmpdir(), "signature-router-production-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, mode: number) => {
  const path = join(folder, name);
  writeFileSync(path, "");
  chmodSync(path, mode);
  return path;
};
const closedKey = file("closed.key", 0o440);
const openKey = file("open.key", 0o644);

/** What passes in production without anything allowed. */
const safe = {
  NODE_ENV: "production",
  TWILIO_ACCOUNT_SID: `AC${"0".repeat(32)}`,
  TWILIO_AUTH_TOKEN: "token",
  TWILIO_FROM_NUMBER: "+34910000000",
  SIGNATURE_ALLOWED_COUNTRIES: "ES",
  SIGNATURE_KEYS_FILE: "keys.json",
  DATABASE_URL: "postgres://user:word@db.bank/signature?sslmode=verify-full",
  TLS_CERT_FILE: "router.pem",
  TLS_KEY_FILE: closedKey,
  TLS_CLIENT_CA_FILE: "ca.pem",
  CALLERS_FILE: "callers.json",
  GRPC_LISTEN: "0.0.0.0:50051",
  HTTP_LISTEN: "0.0.0.0:8080",
  OPS_LISTEN: "10.1.2.3:9464",
};

function read(variables: Readonly<Record<string, string | undefined>>) {
  try {
    return { config: readConfig({ ...safe, ...variables }), faults: [] };
  } catch (error) {
    return { config: undefined, faults: (error as Error).message.split("\n").slice(1) };
  }
}

const noTls = {
  TLS_CERT_FILE: undefined,
  TLS_KEY_FILE: undefined,
  TLS_CLIENT_CA_FILE: undefined,
  CALLERS_FILE: undefined,
  GRPC_LISTEN: "127.0.0.1:50051",
};

const risks: readonly (readonly [name: string, variable: string, set: Record<string, string | undefined>])[] =
  [
    ["plain-grpc", "GRPC_LISTEN", noTls],
    ["readable-tls-key", "TLS_KEY_FILE", { TLS_KEY_FILE: openKey }],
    ["plain-database", "DATABASE_URL", { DATABASE_URL: "postgres://user:word@db.bank/signature" }],
    ["plain-database", "DATABASE_URL", { DATABASE_URL: "postgres://a:b@127.0.0.1,db.bank/s?sslmode=prefer" }],
    [
      "plain-database",
      "DATABASE_MIGRATION_URL",
      { DATABASE_MIGRATION_URL: "postgres://m:word@db.bank/signature" },
    ],
    ["ops-on-all-interfaces", "OPS_LISTEN", { OPS_LISTEN: "0.0.0.0:9464" }],
    ["ops-on-all-interfaces", "OPS_LISTEN", { OPS_LISTEN: "[::]:9464" }],
    ["ops-on-all-interfaces", "OPS_LISTEN", { OPS_LISTEN: "[0::0]:9464" }],
    ["ops-on-all-interfaces", "OPS_LISTEN", { OPS_LISTEN: "[::ffff:0:0]:9464" }],
    ["ops-on-all-interfaces", "OPS_LISTEN", { OPS_LISTEN: "0:9464" }],
    ["ops-on-all-interfaces", "OPS_LISTEN", { OPS_LISTEN: "0x0.0:9464" }],
    ["unverified-tls", "NODE_TLS_REJECT_UNAUTHORIZED", { NODE_TLS_REJECT_UNAUTHORIZED: "0" }],
    ["inspector", "NODE_OPTIONS", { NODE_OPTIONS: "--no-warnings --inspect=0.0.0.0:9229" }],
    [
      "no-customer-limit",
      "SIGNATURE_LIMIT_CUSTOMER_PER_MINUTE",
      { SIGNATURE_LIMIT_CUSTOMER_PER_MINUTE: "0" },
    ],
    ["no-phone-limit", "SIGNATURE_LIMIT_PHONE_PER_10_MINUTES", { SIGNATURE_LIMIT_PHONE_PER_10_MINUTES: "0" }],
    ["no-caller-limit", "SIGNATURE_LIMIT_CALLER_PER_SECOND", { SIGNATURE_LIMIT_CALLER_PER_SECOND: "0" }],
    ["no-message-rate", "TWILIO_MESSAGES_PER_SECOND", { TWILIO_MESSAGES_PER_SECOND: "0" }],
    ["no-lockout", "SIGNATURE_BLOCK_FAILURES", { SIGNATURE_BLOCK_FAILURES: "0" }],
    ["no-breaker", "TWILIO_BREAKER_FAILURE_RATE", { TWILIO_BREAKER_FAILURE_RATE: "0" }],
    ["no-pumping-guard", "SIGNATURE_PUMPING_GUARD", { SIGNATURE_PUMPING_GUARD: "off" }],
    ["all-countries", "SIGNATURE_ALLOWED_COUNTRIES", { SIGNATURE_ALLOWED_COUNTRIES: "*" }],
    ["debug-log", "LOG_LEVEL", { LOG_LEVEL: "debug" }],
  ];

describe("production", () => {
  test("takes what is safe, with nothing allowed", () => {
    const { config, faults } = read({});
    expect(faults).toEqual([]);
    expect(config?.allowed).toEqual([]);
  });

  test.each(risks)("refuses %s in %s unless it is allowed by its name", (risk, variable, set) => {
    const { faults } = read(set);
    expect(faults).toEqual([expect.stringContaining(`${variable} is refused in production: `)]);
    expect(faults[0]).toContain(`SIGNATURE_PRODUCTION_ALLOW=${risk}`);
    const allowed = read({ ...set, SIGNATURE_PRODUCTION_ALLOW: `debug-log, ${risk}` });
    expect(allowed.faults).toEqual([]);
    expect(allowed.config?.allowed).toEqual([{ risk, variable }]);
    const another = risk === "debug-log" ? "no-breaker" : "debug-log";
    expect(read({ ...set, SIGNATURE_PRODUCTION_ALLOW: another }).faults).toHaveLength(1);
    // Elsewhere it is nobody's business.
    expect(read({ ...set, NODE_ENV: undefined }).faults).toEqual([]);
  });

  test("names every risk at once, with a name that allows it, and no secret", () => {
    const set = Object.assign({}, ...risks.map(([, , one]) => one), { TLS_KEY_FILE: undefined });
    const { faults } = read(set);
    expect(faults.length).toBeGreaterThanOrEqual(new Set(risks.map(([risk]) => risk)).size - 1);
    expect(faults.join()).not.toContain("word@");
    const names = [...faults.join().matchAll(/SIGNATURE_PRODUCTION_ALLOW=([\w-]+)/g)].map(([, name]) => name);
    expect(read({ ...set, SIGNATURE_PRODUCTION_ALLOW: names.join(",") }).faults).toEqual([]);
  });

  test("knows only the names that it has", () => {
    for (const name of ["plain-http", "all", "*", "__proto__", "constructor", "plain-grpc,"]) {
      expect(read({ SIGNATURE_PRODUCTION_ALLOW: name }).faults, name).toEqual([
        expect.stringContaining("must be names separated by commas, of plain-grpc, "),
      ]);
    }
  });

  test("starts no embedded server, whatever is allowed, for the service or its tools", () => {
    const without = { ...safe, DATABASE_URL: undefined, SIGNATURE_PRODUCTION_ALLOW: "plain-database" };
    expect(read(without).faults).toEqual([expect.stringContaining("DATABASE_URL is required in production")]);
    expect(() => readDatabaseConfig(without)).toThrow("DATABASE_URL is required in production");
    expect(() => readDatabaseConfig({ ...without, NODE_ENV: "test" })).not.toThrow();
  });

  test("lets no tool go to a database in plain text either", () => {
    const plain = { ...safe, DATABASE_URL: "postgres://user:word@db.bank/signature" };
    expect(() => readDatabaseConfig(plain)).toThrow("DATABASE_URL is refused in production");
    expect(() =>
      readDatabaseConfig({ ...plain, SIGNATURE_PRODUCTION_ALLOW: "plain-database" }),
    ).not.toThrow();
  });

  test.each([
    "postgres://a:b@localhost/s",
    "postgres://a:b@[::1]/s",
    "postgres://a:b@/s?host=/run/postgresql",
  ])("takes a database on this machine as it is: %s", (DATABASE_URL) =>
    expect(read({ DATABASE_URL }).faults).toEqual([]),
  );
});
