import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  type CheckpointCopy,
  type CheckpointSink,
  copyOf,
  keptOutside,
} from "../../src/domain/checkpoint-sink.ts";
import type { Observation } from "../../src/domain/observation.ts";
import { openCheckpointSinks } from "../../src/main/checkpoint-sinks.ts";
import { PostgresEvidenceStore } from "../../src/postgres/evidence-store.ts";
import { DeliverCheckpoints } from "../../src/usecases/deliver-checkpoints.ts";
import { SealSignatures } from "../../src/usecases/seal-signatures.ts";
import { receiptRing } from "../support/evidence-pack.ts";
import { aNewSignature, aRequestKey, noLimits, useStores } from "../support/stores.ts";

const { signatures, closings, db, pass } = await useStores();
const evidence = new PostgresEvidenceStore(db);
const ring = { primary: "k1", keys: new Map([["k1", new Uint8Array(32)]]) };
const keyRings = { codePepper: ring, phoneSeal: ring, pseudonym: ring, evidence: ring, receipt: receiptRing };
const keys = { current: () => keyRings, refresh: async () => keyRings };
const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), "signature-router-sinks-"));
afterAll(() => rmSync(folder, { recursive: true }));

let copies: CheckpointCopy[] = [];

beforeAll(async () => {
  const signature = aNewSignature();
  await signatures.start(aRequestKey(), signature, noLimits);
  await closings.abort("payments", signature.id, undefined, "");
  const sealing = new SealSignatures({ evidence, keys });
  await sealing.once(never);
  pass(3 * 86_400_000);
  for (let round = 0; round < 4; round += 1) await sealing.once(never);
  copies = (await evidence.checkpoints()).map(copyOf);
  expect(copies).toHaveLength(3);
});

function delivering(sinks: readonly CheckpointSink[]) {
  const seen: Observation[] = [];
  const observer = { observe: (one: Observation) => void seen.push(one) };
  const deliver = new DeliverCheckpoints({ evidence, sinks, observer });
  const results = () =>
    seen.map((one) => (one.type === "checkpoint_delivery" ? `${one.day} ${one.result}` : ""));
  return { once: () => deliver.once(never), results };
}

const fileSink = (name: string) =>
  openCheckpointSinks({ sinks: [name], headersFile: undefined, tsaCaFile: undefined });

test("a file gets a line for each, once, however many replicas are at it, and is read back", async () => {
  const path = join(folder, "checkpoints.jsonl");
  const sinks = fileSink(pathToFileURL(path).href);
  const replicas = [delivering(sinks), delivering(fileSink(pathToFileURL(path).href))];
  await Promise.all(replicas.map((replica) => replica.once()));
  for (const replica of replicas) await replica.once();
  const lines = readFileSync(path, "utf8").trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(copies);
  expect((await keptOutside(sinks)).map(({ day }) => day)).toEqual(copies.map(({ day }) => day));
});

test("a directory gets a file for each, and what stands there is never written again", async () => {
  const directory = join(folder, "each/");
  const [sink] = fileSink(pathToFileURL(directory).href);
  const [first] = copies;
  if (sink === undefined || first === undefined) throw new Error("there is none");
  expect(await sink.deliver(first, never)).toBe("delivered");
  expect(await sink.deliver(first, never)).toBe("delivered");
  expect(await sink.deliver({ ...first, hash: "0a".repeat(32) }, never)).toBe("differs");
  expect(JSON.parse(readFileSync(join(directory, `${first.day}.json`), "utf8"))).toEqual(first);
});

test("a line that a crash cut off is written anew", async () => {
  const path = join(folder, "cut.jsonl");
  writeFileSync(path, `${JSON.stringify(copies[0])}\n`);
  appendFileSync(path, `${JSON.stringify(copies[1]).slice(0, 40)}\n`);
  const run = delivering(fileSink(pathToFileURL(path).href));
  await run.once();
  expect(run.results()).toEqual(copies.map(({ day }) => `${day} delivered`));
  expect(readFileSync(path, "utf8")).toContain(`\n${JSON.stringify(copies[1])}\n`);
});

test("an endpoint gets each in turn with the credentials of its origin; a failure is tried again after a minute", async () => {
  const got: string[] = [];
  const answers = [500, 200, 204];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => {
      body += chunk;
    });
    request.on("end", () => {
      got.push(
        `${request.headers.authorization} ${request.headers["idempotency-key"]} ${JSON.parse(body).hash}`,
      );
      response.writeHead(answers.shift() ?? 409).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const headersFile = join(folder, "headers.json");
  writeFileSync(headersFile, JSON.stringify({ [origin]: { authorization: "Bearer b1" } }));
  const run = delivering(
    openCheckpointSinks({ sinks: [`${origin}/checkpoints`], headersFile, tsaCaFile: undefined }),
  );
  const [first, second, third] = copies;
  await run.once();
  await run.once();
  expect(run.results()).toEqual([`${first?.day} failed`]);
  pass(60_001);
  await run.once();
  expect(run.results().slice(1)).toEqual([
    `${first?.day} delivered`,
    `${second?.day} delivered`,
    `${third?.day} differs`,
  ]);
  expect(got[1]).toBe(`Bearer b1 ${first?.day} ${first?.hash}`);
});
