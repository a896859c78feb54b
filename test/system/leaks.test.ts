import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { generatedKeysFile } from "../../src/config/keys-file.ts";
import { createDatabase, type TestDatabase } from "../support/database.ts";
import { Ingress } from "../support/ingress.ts";
import { temporaryDirectory } from "../support/live-installation.ts";
import { program } from "../support/program.ts";
import { rawConnection } from "../support/raw-grpc.ts";
import { RouterProcess } from "../support/router-process.ts";
import { accountSid, sender, startTwilio } from "../support/twilio-sandbox.ts";
import { type Collector, startCollector } from "../telemetry/collector.ts";
import { plants } from "./leak-plants.ts";
import { Customers } from "./leak-scenario.ts";
import { type Forbidden, leaksIn } from "./leak-search.ts";
import { Answers, dump, filesIn, pageOf } from "./leak-sinks.ts";

const authToken = randomBytes(16).toString("hex");
const apiKeySid = `SK${randomBytes(16).toString("hex")}`;
const apiKeySecret = randomBytes(16).toString("hex");
const role = `leaks_${randomBytes(4).toString("hex")}`;
const password = randomBytes(12).toString("hex");
const collectorToken = randomBytes(12).toString("hex");

const directory = temporaryDirectory();
const reports = mkdtempSync(join(tmpdir(), "reports-"));
const packs = join(directory, "packs");
const keysFile = generatedKeysFile(directory);
const answers = new Answers();
const pages: Record<string, string> = {};
const output: string[] = [];
let database: TestDatabase;
let collector: Collector;
let forbidden: Forbidden[];
let sinks: Map<string, string>;

function secrets(): Forbidden[] {
  const file: Record<string, { keys: Record<string, string> }> = JSON.parse(readFileSync(keysFile, "utf8"));
  const keys = Object.entries(file).flatMap(([name, { keys: ring }]) =>
    Object.values(ring).map((key) => ({ what: `key of ${name}`, bytes: Buffer.from(key, "base64") })),
  );
  const texts = {
    "auth token": authToken,
    "API secret": apiKeySecret,
    "database password": password,
    "collector token": collectorToken,
  };
  return [...Object.entries(texts).map(([what, text]) => ({ what, texts: [text] })), ...keys];
}

function personal({ phones, customerIds, codes }: Customers): Forbidden[] {
  return [
    ...[...codes].map((code) => ({ what: `code ${code}`, word: code })),
    // The national form stands in every other form of the number.
    ...phones.map((phone) => ({ what: `phone ${phone}`, texts: [phone.slice("+34".length)] })),
    ...customerIds.map((id) => ({ what: `customer ${id}`, texts: [id] })),
  ];
}

/** All pages of the operations listener, as they are now. */
async function keepPages({ opsUrl }: RouterProcess): Promise<void> {
  for (const path of ["metrics", "readyz", "livez", ".well-known/jwks.json"]) {
    pages[path] = `${pages[path] ?? ""}\n${await pageOf(`${opsUrl}/${path}`)}`;
  }
}

async function exportEvidence(env: Record<string, string>, signatureIds: readonly string[]): Promise<string> {
  mkdirSync(packs);
  const ended = await Promise.all(
    signatureIds.map((id) =>
      promisify(execFile)(process.execPath, [...program("evidence"), id, "--out", packs], {
        cwd: directory,
        env: { PATH: process.env["PATH"] ?? "", ...env },
      }),
    ),
  );
  return `${ended.map(({ stdout, stderr }) => stdout + stderr).join("\n")}\n${filesIn(packs)}`;
}

beforeAll(async () => {
  database = await createDatabase();
  const { sql } = database;
  await sql.unsafe(`create role ${role} superuser login password '${password}'`);
  await sql`
    create function fail_with_row() returns trigger language plpgsql as $$
    begin
      raise exception 'failed on %', (select string_agg(s::text, ';') from signature s)
        using detail = to_jsonb(new)::text, hint = new.details;
    end $$`;
  collector = await startCollector();
  await using ingress = await Ingress.start();
  await using double = await startTwilio({
    authTokens: () => [authToken],
    apiKeys: new Map([[apiKeySid, apiKeySecret]]),
    behaviour: { queueMs: 10, deliverMs: 10, magicNumbers: false },
  });
  const url = new URL(database.url);
  url.username = role;
  url.password = password;
  const env = {
    DATABASE_URL: url.href,
    TWILIO_ACCOUNT_SID: accountSid,
    TWILIO_AUTH_TOKEN: authToken,
    TWILIO_API_KEY_SID: apiKeySid,
    TWILIO_API_KEY_SECRET: apiKeySecret,
    TWILIO_FROM_NUMBER: sender,
    TWILIO_API_URL: double.url,
    TWILIO_TIMEOUT_SECONDS: "0.3",
    TWILIO_SETTLE_MS: "50",
    TWILIO_RETRY_DELAYS_MS: "20",
    TWILIO_BREAKER_FAILURE_RATE: "0",
    PUBLIC_URL: ingress.url,
    SIGNATURE_ALLOWED_COUNTRIES: "*",
    SIGNATURE_KEYS_FILE: keysFile,
    SIGNATURE_LEASE_SECONDS: "2.9",
    SIGNATURE_SWEEP_SECONDS: "0.1",
    SIGNATURE_RESEND_SECONDS: "0",
    // All of it happens in the first second of a replica, which may refuse early.
    SIGNATURE_LIMIT_CALLER_PER_SECOND: "0",
    LOG_LEVEL: "debug",
    OTEL_TRACES_EXPORTER: "otlp",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: "50",
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${collectorToken}`,
    // What crash reports and child processes see of the environment.
    NODE_OPTIONS: `--report-on-signal --report-directory=${reports}`,
  };
  const [survivor, victim] = await Promise.all([
    RouterProcess.start({ env, cwd: directory }),
    RouterProcess.start({ env: { ...env, SIGNATURE_SWEEP_SECONDS: "60" }, cwd: directory }),
  ]);
  ingress.add(survivor.httpUrl);
  using connection = await rawConnection(survivor.grpcAddress);
  using lost = await rawConnection(victim.grpcAddress);
  const customers = new Customers({ double, sql, answers, role }, connection);
  try {
    const ends = await Promise.all([
      customers.succeeds(),
      customers.succeeds(),
      customers.typesWrongCodes(),
      customers.sendsNonsense(),
      customers.resendsAndAborts(),
      ...[21211, 21610, 21612, 21606, 30034, 63038].map((code) =>
        customers.start([{ kind: "refuse", code }]),
      ),
      customers.start([{ kind: "accept", delivery: { outcome: "undelivered", errorCode: 30003 } }]),
      customers.start([{ kind: "hang_before_accept" }, { kind: "reset_before_accept" }]),
      customers.start([{ kind: "reset_after_accept" }]),
      customers.start([{ kind: "truncated" }]),
      customers.start([{ kind: "redirect", location: "https://elsewhere.example/?To=%2B34600000000" }]),
      customers.start([401, 500, 403].map((status) => ({ kind: "status", status, body: "html" }) as const)),
      customers.loseTheProcess(lost, () => victim.kill("SIGKILL")),
    ]);
    await customers.loseTheDatabase();
    await keepPages(survivor);
    await customers.meetsFailingStatements();
    const kernel = readFileSync(`/proc/${survivor.pid}/environ`, "utf8");
    survivor.signal("SIGUSR2");
    await keepPages(survivor);
    const stopped = survivor.kill("SIGTERM");
    const completed = typeof ends[0] === "string" ? ends[0] : "";
    const { DATABASE_URL, SIGNATURE_KEYS_FILE } = env;
    const evidence = await exportEvidence({ DATABASE_URL, SIGNATURE_KEYS_FILE }, [
      completed,
      customers.signatureIds.at(-1) ?? "",
    ]);
    expect(await stopped).toEqual({ code: 0, signal: null });
    for (const { authorization } of collector.received)
      expect(authorization).toBe(`Bearer ${collectorToken}`);
    output.push(...[survivor, victim].flatMap(({ stdout, stderr }) => [...stdout, ...stderr]));
    for (const { to } of double.messages) await customers.codeTo(to);
    forbidden = [...secrets(), ...personal(customers)];
    sinks = new Map([
      ["the log", output.join("\n")],
      ["traces", collector.received.map(({ body }) => body).join("\n")],
      ["answers and trailers", answers.text],
      ["the database", await dump(sql)],
      ["the evidence packs", evidence],
      ["the process's environment and report", filesIn(reports)],
      ["/proc/<pid>/environ", kernel],
      ...Object.entries(pages).map(([path, text]) => [`/${path}`, text] as const),
    ]);
  } finally {
    await Promise.all([survivor.kill(), victim.kill()]);
    for (const { client } of [survivor, victim]) client.close();
  }
});

afterAll(async () => {
  await collector?.[Symbol.asyncDispose]();
  await database?.sql.unsafe(`drop role ${role}`);
  await database?.[Symbol.asyncDispose]();
  for (const path of [directory, reports]) rmSync(path, { recursive: true, force: true });
});

const names = [
  ...["the log", "traces", "answers and trailers", "the database", "the evidence packs"],
  ...[
    "the process's environment and report",
    "/proc/<pid>/environ",
    "/metrics",
    "/readyz",
    "/livez",
    "/.well-known/jwks.json",
  ],
];

describe("After signatures that succeed, fail, are refused, time out, crash, are aborted and lose their database", () => {
  it.each(names)("%s holds no code, number, customer, password, token or key", (name) => {
    const text = sinks.get(name) ?? "";
    expect(text.length).toBeGreaterThan(100);
    expect(leaksIn({ name, text }, forbidden)).toEqual([]);
  });

  it("the search finds each of them wherever it is planted", async () => {
    const kinds = new Map(forbidden.map((one) => [one.what.split(" ")[0], one]));
    for (const one of [...kinds.values(), ...secrets()]) {
      for (const [name, plant] of Object.entries(plants({ sql: database.sql, collector }))) {
        expect(leaksIn({ name, text: await plant(one) }, [one])).toEqual([`${one.what} in ${name}`]);
      }
    }
  });

  it("the traps were there: errors of the driver, of statements and of Twilio were logged, and every end was met", () => {
    const log = sinks.get("the log") ?? "";
    const told = new Set([...log.matchAll(/"exception_(?:code|causes)":"([^"]*)"/g)].map(([, text]) => text));
    expect(told).toContain("P0001");
    expect([...told].some((text) => /CONNECTION_CLOSED|57P01/.test(text ?? ""))).toBe(true);
    for (const status of ["0", "3", "6", "9", "13", "14"]) expect(answers.codes).toContain(status);
    const rows = sinks.get("the database") ?? "";
    for (const type of [
      "SIGNATURE_COMPLETED",
      "SIGNATURE_FAILED",
      "SIGNATURE_ABORTED",
      "CHALLENGE_REFUSED",
      "CHALLENGE_TAKEN_OVER",
      "OUTCOME_UNKNOWN",
      "CHALLENGE_DELIVERED",
      "CHALLENGE_UNDELIVERED",
    ]) {
      expect(rows).toContain(type);
    }
    expect(sinks.get("the process's environment and report")).toContain("environmentVariables");
  });
});
