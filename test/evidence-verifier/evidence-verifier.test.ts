import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { type EvidencePack, packFile } from "../../src/domain/evidence-pack.ts";
import { evidenceText } from "../../src/domain/evidence-text.ts";
import { aPack, receiptKey } from "../support/evidence-pack.ts";
import { signPack } from "../support/signing.ts";

const program = join(import.meta.dirname, "verify.py");
const folder = mkdtempSync(join(tmpdir(), "signature-router-verifier-"));
afterAll(() => rmSync(folder, { recursive: true }));

function hasPython(): boolean {
  try {
    execFileSync("python3", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

let files = 0;

async function verdict(content: string | Buffer, text?: string): Promise<string> {
  files += 1;
  const paths = [
    join(folder, `${files}.json`),
    ...(text === undefined ? [] : [join(folder, `${files}.txt`)]),
  ];
  for (const [index, path] of paths.entries()) writeFileSync(path, index === 0 ? content : (text ?? ""));
  return await promisify(execFile)("python3", [program, ...paths]).then(
    ({ stdout }) => stdout.trim(),
    (error: { stdout?: string }) => (error.stdout ?? "").trim(),
  );
}

const pack = await aPack();

/** The pack after a change, signed again by whoever has the key. */
function resigned(change: (copy: { -readonly [K in keyof EvidencePack]: EvidencePack[K] }) => void): Buffer {
  const copy = structuredClone(pack);
  change(copy);
  const { signed: _, ...content } = copy;
  return packFile(signPack(content, receiptKey));
}

describe.skipIf(!hasPython())("a verifier in Python that shares no code with src (needs python3)", () => {
  it("finds that a pack and its text fit", async () => {
    expect(await verdict(packFile(pack), evidenceText(pack))).toBe("fits");
    expect(await verdict(packFile(pack), `${evidenceText(pack)} `)).toBe(
      "does not fit: the text is another one",
    );
  });

  it.each<[string, Buffer | string, string]>([
    [
      "a member that stands twice",
      packFile(pack).toString().replace('"id":', '"id": "x",\n    "id":'),
      "twice",
    ],
    ["another spelling", JSON.stringify(pack), "another spelling"],
    [
      "a change after the export",
      packFile(pack).toString().replace('"pin"', '"pix"'),
      "changed after its export",
    ],
    [
      "another event",
      resigned((copy) => {
        copy.events = copy.events.map((event) => ({
          ...event,
          details: event.details.replace("sms", "sns"),
        }));
      }),
      "event 2 was changed",
    ],
    [
      "a cut tail",
      resigned((copy) => {
        copy.events = copy.events.slice(0, 4);
      }),
      "the tail was cut",
    ],
    [
      "another seal",
      resigned((copy) => {
        copy.seals = copy.seals.map((seal) => ({ ...seal, sealed_at: "2026-11-22T13:00:00.000Z" }));
      }),
      "the seal over 4 events was changed",
    ],
    [
      "another checkpoint",
      resigned((copy) => {
        copy.checkpoints = copy.checkpoints.map((one) => ({ ...one, seals: 6 }));
      }),
      "the checkpoint of 2026-11-22 was changed",
    ],
    [
      "another destination",
      resigned((copy) => {
        copy.challenges = copy.challenges.map((one) => ({ ...one, masked_destination: "+34 *** *** 999" }));
      }),
      "masked_destination is another one",
    ],
    [
      "no report",
      resigned((copy) => {
        copy.provider_receipts = [];
      }),
      "a report of the provider is missing",
    ],
    [
      "another receipt",
      resigned((copy) => {
        copy.receipt = `${copy.receipt?.slice(0, -8)}AAAAAAAA`;
      }),
      "receipt was changed",
    ],
    [
      "another caller",
      resigned((copy) => {
        copy.signature = { ...copy.signature, caller: "cards" };
      }),
      "the receipt says something else",
    ],
  ])("names %s", async (_, content, fault) => {
    expect(await verdict(content)).toContain(fault);
  });
});
