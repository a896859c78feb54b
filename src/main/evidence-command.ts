import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { packFault } from "../domain/evidence-check.ts";
import { type EvidencePack, parsePack } from "../domain/evidence-pack.ts";
import { evidenceText } from "../domain/evidence-text.ts";
import type { PublicJwk } from "../domain/receipt.ts";
import { parseUuid } from "../domain/uuid.ts";
import type { Audit } from "../usecases/audit-checkpoints.ts";

const usage = `npm run evidence -- <signature id> [--out <directory>]
    writes signature-<id>.json, which anyone can verify, and signature-<id>.txt for people
npm run evidence -- verify <file.json> [--jwks <file>]
    checks a pack offline; with the bank's JWK set, that it is the bank's
npm run evidence -- audit
    compares the daily checkpoints with the seals, and the seals with the signatures

Exit codes: 0 all fits, 1 something does not, or it failed, 2 not understood or unreadable.`;

/** What asks the database; nothing of it is called to verify a pack. */
export interface EvidenceDesk {
  export(signatureId: string): Promise<EvidencePack | undefined>;
  audit(): Promise<Audit>;
}

type ExitCode = 0 | 1 | 2;

interface Io {
  /** Opens the database for the one thing that is done with it. */
  readonly withDesk: (use: (desk: EvidenceDesk) => Promise<ExitCode>) => Promise<ExitCode>;
  readonly print: (line: string) => void;
}

/** Runs `npm run evidence -- …`. */
export async function runEvidenceCommand(args: readonly string[], io: Io): Promise<ExitCode> {
  const call = parse(args);
  if (call === undefined) {
    io.print(usage);
    return 2;
  }
  if (call.command === "verify") return await verify(call.file, call.jwks, io);
  if (call.command === "audit") return await io.withDesk((desk) => audit(desk, io));
  return await io.withDesk((desk) => write(desk, call.signatureId, call.out, io));
}

type Call =
  | { readonly command: "export"; readonly signatureId: string; readonly out: string }
  | { readonly command: "verify"; readonly file: string; readonly jwks: string | undefined }
  | { readonly command: "audit" };

function parse(args: readonly string[]): Call | undefined {
  try {
    const options = { out: { type: "string" }, jwks: { type: "string" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [first = "", second, ...rest] = positionals;
    const { out, jwks } = values;
    if (rest.length > 0) return undefined;
    if (first === "verify") {
      return second && out === undefined ? { command: "verify", file: second, jwks } : undefined;
    }
    if (second !== undefined || jwks !== undefined) return undefined;
    if (first === "audit") return out === undefined ? { command: "audit" } : undefined;
    const signatureId = parseUuid(first);
    return signatureId === undefined ? undefined : { command: "export", signatureId, out: out ?? "." };
  } catch {
    return undefined;
  }
}

async function write(desk: EvidenceDesk, signatureId: string, out: string, { print }: Io): Promise<ExitCode> {
  const pack = await desk.export(signatureId);
  if (pack === undefined) {
    print("no such signature");
    return 1;
  }
  await mkdir(out, { recursive: true });
  const path = join(out, `signature-${signatureId}`);
  // Names and amounts are in it: for whoever exports it alone.
  await writeFile(`${path}.json`, `${JSON.stringify(pack, null, 2)}\n`, { mode: 0o600 });
  await writeFile(`${path}.txt`, evidenceText(pack), { mode: 0o600 });
  print(`${path}.json`);
  print(`${path}.txt`);
  return 0;
}

async function verify(file: string, jwksFile: string | undefined, { print }: Io): Promise<ExitCode> {
  const read = async (path: string) =>
    await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      print(`${path} cannot be read (${error.code})`);
      return undefined;
    });
  const text = await read(file);
  const published = jwksFile === undefined ? undefined : await read(jwksFile);
  if (text === undefined || (jwksFile !== undefined && published === undefined)) return 2;
  const keys = published === undefined ? undefined : publishedKeys(published);
  if (published !== undefined && keys === undefined) {
    print(`${jwksFile} is not a JWK set`);
    return 2;
  }
  const parsed = parsePack(text);
  const fault = "fault" in parsed ? parsed.fault : await checked(parsed.pack, keys);
  if (fault !== undefined || "fault" in parsed) {
    print(`DOES NOT FIT: ${fault}`);
    return 1;
  }
  print(summary(parsed.pack, keys !== undefined));
  return 0;
}

/** A forged timeline may fit its own hashes and yet hold no JSON: that is a fault like any other. */
async function checked(pack: EvidencePack, keys: PublicJwk[] | undefined): Promise<string | undefined> {
  try {
    return await packFault(pack, keys);
  } catch {
    return "a part of the pack cannot be read";
  }
}

function publishedKeys(text: string): PublicJwk[] | undefined {
  try {
    const { keys } = JSON.parse(text) as { keys?: unknown };
    return Array.isArray(keys) ? keys : undefined;
  } catch {
    return undefined;
  }
}

function summary(
  { signature, events, seals, checkpoints, receipt }: EvidencePack,
  published: boolean,
): string {
  const days = checkpoints.map((checkpoint) => checkpoint.day).join(", ");
  return [
    `fits: signature ${signature.id}, ${signature.status}`,
    `  ${events.length} events, ${seals.length} seals, ${receipt === null ? "no receipt" : "receipt"}`,
    `  checkpoints: ${days || "none yet: they are made at the end of the day, UTC"}`,
    published
      ? "  keys: those that the bank publishes"
      : "  keys: only those in the pack; compare them with the bank's by --jwks",
  ].join("\n");
}

async function audit(desk: EvidenceDesk, { print }: Io): Promise<ExitCode> {
  const { faults, checkpoints, seals, latest } = await desk.audit();
  for (const fault of faults) print(`DOES NOT FIT: ${fault}`);
  print(`${checkpoints} checkpoints over ${seals} seals${faults.length === 0 ? ", all fit" : ""}`);
  if (latest !== undefined) print(`latest: ${latest.day} ${latest.hash}`);
  return faults.length === 0 ? 0 : 1;
}
