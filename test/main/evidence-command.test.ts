import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { packFile } from "../../src/domain/evidence-pack.ts";
import { type EvidenceDesk, runEvidenceCommand } from "../../src/main/evidence-command.ts";
import type { Audit } from "../../src/usecases/audit-checkpoints.ts";
import type { SignatureAudit } from "../../src/usecases/audit-signatures.ts";
import { aPack, destination, evidenceKey } from "../support/evidence-pack.ts";

const directory = mkdtempSync(join(tmpdir(), "signature-router-evidence-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const pack = await aPack();
const { id } = pack.signature;
const nothing: Audit & SignatureAudit = {
  faults: [],
  checkpoints: 0,
  seals: 0,
  latest: undefined,
  signatures: 0,
  events: 0,
  untold: 0,
};

async function evidence(args: readonly string[], audited = nothing, exported = pack, input = "") {
  const lines: string[] = [];
  const desk: EvidenceDesk = {
    export: async (signatureId) => (signatureId === id ? exported : undefined),
    audit: async (expected) =>
      expected === "0a".repeat(32) ? { ...audited, faults: ["expected"] } : audited,
    evidenceKey: (keyId) => (keyId === evidenceKey.id ? evidenceKey.key : undefined),
  };
  const code = await runEvidenceCommand(args, {
    withDesk: (use) => use(desk),
    print: (line) => lines.push(line),
    input: async () => input,
  });
  return { code, text: lines.join("\n") };
}

function written(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

describe("runEvidenceCommand", () => {
  test("writes the pack and a text, and verifies what it wrote", async () => {
    const out = join(directory, "new");
    const file = join(out, `signature-${id}.json`);
    expect(await evidence([id.toUpperCase(), "--out", out])).toEqual({
      code: 0,
      text: `${file}\n${join(out, `signature-${id}.txt`)}`,
    });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(pack);
    const text = readFileSync(join(out, `signature-${id}.txt`), "utf8");
    for (const part of [pack.receipt, "SIGNATURE_COMPLETED", "12", "checkpoint of 2026-11-22 over 5 seals"]) {
      expect(text).toContain(part);
    }
    expect(await evidence(["verify", file])).toEqual({
      code: 0,
      text: expect.stringMatching(
        /^fits: signature .*completed\n.*5 events, 2 seals, receipt\n.*2026-11-22\n.*the text beside it.*\n.*--jwks$/,
      ),
    });
    writeFileSync(join(out, `signature-${id}.txt`), text.replace("completed", "aborted"));
    const fault = "DOES NOT FIT: the text beside the pack is not the one that was exported with it";
    expect(await evidence(["verify", file])).toEqual({ code: 1, text: fault });
    expect((await evidence(["verify", file, "--text", written("another.txt", text)])).code).toBe(0);
  });

  test("says which facts of the rows are not those of the events, and writes the pack all the same", async () => {
    const [challenge] = pack.challenges;
    const challenges = [{ ...challenge, masked_destination: "+34 *** *** 999" }];
    const exported = { ...pack, challenges } as typeof pack;
    const out = join(directory, "tampered");
    expect(await evidence([id, "--out", out], nothing, exported)).toEqual({
      code: 1,
      text: expect.stringMatching(
        /\.txt\nDOES NOT FIT: masked_destination of challenge .* is \+34 .* 999, and its events say \+34 .* 001$/,
      ),
    });
    expect(JSON.parse(readFileSync(join(out, `signature-${id}.json`), "utf8"))).toEqual(exported);
  });

  test("shows, given the number, that it was this one, and of any other that it was not", async () => {
    const file = written("shown.json", packFile(pack).toString());
    const challenge = pack.challenges[0]?.id;
    expect(await evidence(["destination", file], nothing, pack, `${destination}\n`)).toEqual({
      code: 0,
      text: `challenge ${challenge} went to this number`,
    });
    expect(await evidence(["destination", file], nothing, pack, "+34600000002")).toEqual({
      code: 1,
      text: `challenge ${challenge} went to another number`,
    });
  });

  test.each([
    ["not JSON", "{", "the file is not JSON"],
    ["another form", "{}", "pack.format does not have the form that signature-evidence-v2 gives it"],
    ["a cut tail", packFile({ ...pack, events: pack.events.slice(0, 4) }).toString(), "event 5 is missing"],
  ])("ends with 1 for a file that is %s, and says so", async (_, content, fault) => {
    const { code, text } = await evidence(["verify", written("broken.json", content)]);
    expect([code, text.startsWith(`DOES NOT FIT: ${fault}`)]).toEqual([1, true]);
  });

  test("ends with 2 for files that it cannot read", async () => {
    const file = written("pack.json", JSON.stringify(pack));
    const none = join(directory, "none.json");
    expect(await evidence(["verify", none])).toEqual({ code: 2, text: `${none} cannot be read (ENOENT)` });
    expect((await evidence(["verify", file, "--jwks", none])).code).toBe(2);
    const notKeys = written("keys.json", "[]");
    expect(await evidence(["verify", file, "--jwks", notKeys])).toEqual({
      code: 2,
      text: `${notKeys} is not a JWK set`,
    });
  });

  test("ends with 1 for an unknown signature and for an audit that finds something", async () => {
    const unknown = "0190b0c0-0000-7000-9000-0000000000ff";
    expect(await evidence([unknown])).toEqual({ code: 1, text: "no such signature" });
    const latest = { day: "2026-11-22", hash: "0a" };
    expect(await evidence(["audit"], { ...nothing, latest })).toEqual({
      code: 0,
      text: "0 checkpoints over 0 seals, 0 events of 0 signatures, all fit\nlatest: 2026-11-22 0a",
    });
    expect((await evidence(["audit", "--expect", "0a".repeat(32)])).code).toBe(1);
    const faults = ["2026-11-22: 1 seals are missing"];
    expect(await evidence(["audit"], { ...nothing, faults })).toEqual({
      code: 1,
      text: "DOES NOT FIT: 2026-11-22: 1 seals are missing\n0 checkpoints over 0 seals, 0 events of 0 signatures",
    });
  });

  test.each([
    [[]],
    [["export"]],
    [["verify"]],
    [["verify", "a", "b"]],
    [["verify", "a", "--out", "b"]],
    [["audit", "--out", "b"]],
    [["audit", "--expect", "b"]],
    [["destination"]],
    [[id, "--jwks", "b"]],
    [[id, "--loud"]],
  ])("explains itself for %j and ends with 2", async (args) => {
    expect(await evidence(args)).toEqual({ code: 2, text: expect.stringContaining("npm run evidence --") });
  });
});
