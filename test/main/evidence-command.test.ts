import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type EvidenceDesk, runEvidenceCommand } from "../../src/main/evidence-command.ts";
import type { Audit } from "../../src/usecases/audit-checkpoints.ts";
import { aPack } from "../support/evidence-pack.ts";

const directory = mkdtempSync(join(tmpdir(), "signature-router-evidence-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const pack = await aPack();
const { id } = pack.signature;
const nothing: Audit = { faults: [], checkpoints: 0, seals: 0, latest: undefined };

async function evidence(args: readonly string[], audited = nothing) {
  const lines: string[] = [];
  const desk: EvidenceDesk = {
    export: async (signatureId) => (signatureId === id ? pack : undefined),
    audit: async () => audited,
  };
  const code = await runEvidenceCommand(args, {
    withDesk: (use) => use(desk),
    print: (line) => lines.push(line),
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
        /^fits: signature .*completed\n.*5 events, 2 seals, receipt\n.*2026-11-22\n.*--jwks$/,
      ),
    });
  });

  test.each([
    ["not JSON", "{", "the file is not JSON"],
    ["another form", "{}", "pack.format does not have the form that signature-evidence-v1 gives it"],
    ["a cut tail", JSON.stringify({ ...pack, events: pack.events.slice(0, 4) }), "event 5 is missing"],
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
      text: "0 checkpoints over 0 seals, all fit\nlatest: 2026-11-22 0a",
    });
    const faults = ["2026-11-22: 1 seals are missing"];
    expect(await evidence(["audit"], { ...nothing, faults })).toEqual({
      code: 1,
      text: "DOES NOT FIT: 2026-11-22: 1 seals are missing\n0 checkpoints over 0 seals",
    });
  });

  test.each([
    [[]],
    [["export"]],
    [["verify"]],
    [["verify", "a", "b"]],
    [["verify", "a", "--out", "b"]],
    [["audit", "--out", "b"]],
    [[id, "--jwks", "b"]],
    [[id, "--loud"]],
  ])("explains itself for %j and ends with 2", async (args) => {
    expect(await evidence(args)).toEqual({ code: 2, text: expect.stringContaining("npm run evidence --") });
  });
});
