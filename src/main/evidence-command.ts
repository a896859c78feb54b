import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { commitDestination } from "../domain/destination.ts";
import { compareWithEvents } from "../domain/event-comparison.ts";
import { packFault, shownIn } from "../domain/evidence-check.ts";
import { type EvidencePack, packFile, parsePack } from "../domain/evidence-pack.ts";
import { evidenceText } from "../domain/evidence-text.ts";
import { parseUuid } from "../domain/uuid.ts";
import type { Audit } from "../usecases/audit-checkpoints.ts";
import type { SignatureAudit } from "../usecases/audit-signatures.ts";
import { type ExitCode, type Output, readInput, type VerifyCall, verify } from "./evidence-verify.ts";

const usage = `npm run evidence -- <signature id> [--out <directory>] [--as <your name>]
    writes signature-<id>.json, which anyone can verify, and signature-<id>.txt for people; that you did stands in
    the log of acts (npm run admin -- acts), with your login at the database
npm run evidence -- verify <file.json> [--jwks <file>] [--text <file.txt>] [--tsa-ca <file.pem>]
    checks a pack offline, and the text beside it; with the bank's JWK set, that it is the bank's; with the
    certificates of time-stamp authorities, when its checkpoints existed
npm run evidence -- destination <file.json>
    reads a phone number from standard input, and says to which challenges of the pack it belongs
npm run evidence -- audit [--expect <hash>]
    compares checkpoints, seals, events and rows; the hash that an earlier audit printed must still be one of theirs

Exit codes: 0 all fits, 1 something does not, or it failed, 2 not understood or unreadable.`;

/** What asks the database; nothing of it is called to verify a pack. */
export interface EvidenceDesk {
  /** @param as the name that the operator gave */
  export(signatureId: string, as: string): Promise<EvidencePack | undefined>;
  audit(expected?: string): Promise<Audit & SignatureAudit>;
  /** A key of the evidence ring. */
  evidenceKey(id: string): Uint8Array | undefined;
}

interface Io extends Output {
  /** Opens the database for the one thing that is done with it. */
  readonly withDesk: (use: (desk: EvidenceDesk) => Promise<ExitCode>) => Promise<ExitCode>;
  /** All of standard input. */
  readonly input?: () => Promise<string>;
}

/** Runs `npm run evidence -- …`. */
export async function runEvidenceCommand(args: readonly string[], io: Io): Promise<ExitCode> {
  const call = parse(args);
  if (call === undefined) {
    io.print(usage);
    return 2;
  }
  if (call.command === "verify") return await verify(call, io);
  if (call.command === "audit") return await io.withDesk((desk) => audit(desk, call.expected, io));
  if (call.command === "destination") return await destination(call.file, io);
  return await io.withDesk((desk) => write(desk, call, io));
}

interface ExportCall {
  readonly command: "export";
  readonly signatureId: string;
  readonly out: string;
  readonly as: string;
}

type Call =
  | ExportCall
  | VerifyCall
  | { readonly command: "destination"; readonly file: string }
  | { readonly command: "audit"; readonly expected: string | undefined };

function parse(args: readonly string[]): Call | undefined {
  try {
    const names = ["out", "jwks", "text", "expect", "as", "tsa-ca"] as const;
    const text = { type: "string" } as const;
    const options = { out: text, jwks: text, text, expect: text, as: text, "tsa-ca": text };
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [first = "", second, ...rest] = positionals;
    const { out, jwks, expect } = values;
    const given = (...allowed: (typeof names)[number][]) =>
      names.every((name) => values[name] === undefined || allowed.includes(name));
    if (rest.length > 0) return undefined;
    if (first === "verify") {
      const isCall = second !== undefined && given("jwks", "text", "tsa-ca");
      const tsaCa = values["tsa-ca"];
      return isCall ? { command: "verify", file: second, jwks, text: values.text, tsaCa } : undefined;
    }
    if (first === "destination")
      return second && given() ? { command: "destination", file: second } : undefined;
    if (second !== undefined) return undefined;
    if (first === "audit") {
      const isHash = expect === undefined || /^[0-9a-f]{64}$/.test(expect);
      return given("expect") && isHash ? { command: "audit", expected: expect } : undefined;
    }
    const as = values.as?.trim() ?? "";
    if (!given("out", "as") || !/^[\p{L}\p{N}._@ -]{0,64}$/u.test(as)) return undefined;
    const signatureId = parseUuid(first);
    return signatureId === undefined ? undefined : { command: "export", signatureId, out: out ?? ".", as };
  } catch {
    return undefined;
  }
}

async function write(
  desk: EvidenceDesk,
  { signatureId, out, as }: ExportCall,
  { print }: Io,
): Promise<ExitCode> {
  const pack = await desk.export(signatureId, as);
  if (pack === undefined) {
    print("no such signature");
    return 1;
  }
  await mkdir(out, { recursive: true });
  const path = join(out, `signature-${signatureId}`);
  // Names and amounts are in it: for whoever exports it alone.
  await writeFile(`${path}.json`, packFile(pack), { mode: 0o600 });
  await writeFile(`${path}.txt`, evidenceText(pack), { mode: 0o600 });
  print(`${path}.json`);
  print(`${path}.txt`);
  const { differences } = compareWithEvents(shownIn(pack), pack.events);
  for (const difference of differences) print(`DOES NOT FIT: ${difference}`);
  return differences.length === 0 ? 0 : 1;
}

/** Given the number, shows that it was this one: without the evidence key nobody could. */
async function destination(file: string, io: Io): Promise<ExitCode> {
  const content = await readInput(file, io);
  if (content === undefined) return 2;
  const parsed = parsePack(content);
  const fault = "fault" in parsed ? parsed.fault : await packFault(parsed.pack);
  if (fault !== undefined || "fault" in parsed) {
    io.print(`DOES NOT FIT: ${fault}`);
    return 1;
  }
  const { pack } = parsed;
  const number = ((await io.input?.()) ?? "").trim();
  return await io.withDesk(async (desk) => {
    const created = pack.events
      .filter(({ type }) => type === "CHALLENGE_CREATED")
      .map(({ details }) => JSON.parse(details) as Readonly<Record<string, string>>);
    const results = created.map(
      ({ challenge_id: challengeId = "", destination: kept, destination_key_id: id = "" }) => {
        const key = desk.evidenceKey(id);
        if (kept === undefined) return `challenge ${challengeId}: its event has no commitment`;
        if (key === undefined) return `challenge ${challengeId}: the evidence key ${id} is not known`;
        const { commitment } = commitDestination(
          { id, key },
          { signatureId: pack.signature.id, challengeId },
          number,
        );
        return commitment === kept ? undefined : `challenge ${challengeId} went to another number`;
      },
    );
    for (const [index, result] of results.entries()) {
      io.print(result ?? `challenge ${created[index]?.["challenge_id"]} went to this number`);
    }
    return results.every((result) => result === undefined) ? 0 : 1;
  });
}

async function audit(desk: EvidenceDesk, expected: string | undefined, { print }: Io): Promise<ExitCode> {
  const { faults, checkpoints, seals, signatures, events, untold, latest } = await desk.audit(expected);
  for (const fault of faults) print(`DOES NOT FIT: ${fault}`);
  print(
    `${checkpoints} checkpoints over ${seals} seals, ${events} events of ${signatures} signatures${faults.length === 0 ? ", all fit" : ""}`,
  );
  if (untold > 0) print(`of ${untold} signatures an older release did not put every fact into an event`);
  if (latest !== undefined) print(`latest: ${latest.day} ${latest.hash}`);
  return faults.length === 0 ? 0 : 1;
}
