import type { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { checkPack, publishedKeys } from "../domain/pack-verdict.ts";
import { trustAnchors } from "../sinks/trust-anchors.ts";
import { timeStampCheck } from "./evidence-time-stamps.ts";

// Checks a pack with nothing but files: neither a database nor keys are opened.

export type ExitCode = 0 | 1 | 2;

export interface Output {
  readonly print: (line: string) => void;
}

export interface VerifyCall {
  readonly command: "verify";
  readonly file: string;
  /** The bank's published JWK set. */
  readonly jwks: string | undefined;
  /** The text for people; by default the one beside the pack, where it is there. */
  readonly text: string | undefined;
  /** PEM of the authorities that are trusted for time stamps. */
  readonly tsaCa: string | undefined;
}

export async function readInput(path: string, { print }: Output): Promise<Buffer | undefined> {
  return await readFile(path).catch((error: NodeJS.ErrnoException) => {
    print(`${path} cannot be read (${error.code})`);
    return undefined;
  });
}

export async function verify(call: VerifyCall, output: Output): Promise<ExitCode> {
  const { print } = output;
  const file = await readInput(call.file, output);
  const published = call.jwks === undefined ? undefined : await readInput(call.jwks, output);
  const text = call.text === undefined ? await textBeside(call.file) : await readInput(call.text, output);
  const pem = call.tsaCa === undefined ? undefined : await readInput(call.tsaCa, output);
  const isUnread = (path: string | undefined, content: Buffer | undefined) =>
    path !== undefined && content === undefined;
  if (file === undefined || isUnread(call.jwks, published) || isUnread(call.text, text)) return 2;
  if (isUnread(call.tsaCa, pem)) return 2;
  const keys = published && publishedKeys(published);
  if (published !== undefined && keys === undefined) {
    print(`${call.jwks} is not a JWK set`);
    return 2;
  }
  const anchors = pem && readAnchors(pem);
  if (pem !== undefined && anchors === undefined) {
    print(`${call.tsaCa} has no certificate in PEM, or one that cannot be read`);
    return 2;
  }
  const checked = await checkPack(file, keys, text, anchors && timeStampCheck(anchors));
  print("fault" in checked ? `DOES NOT FIT: ${checked.fault}` : checked.summary);
  return "fault" in checked ? 1 : 0;
}

function readAnchors(pem: Uint8Array): X509Certificate[] | undefined {
  try {
    return trustAnchors(pem);
  } catch {
    return undefined;
  }
}

async function textBeside(file: string): Promise<Buffer | undefined> {
  if (!file.endsWith(".json")) return undefined;
  return await readFile(file.replace(/json$/, "txt")).catch(() => undefined);
}
