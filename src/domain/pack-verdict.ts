import { compareWithEvents } from "./event-comparison.ts";
import { type PackCheck, packChecks, shownIn, textFault } from "./evidence-check.ts";
import { type EvidencePack, type PackedCheckpoint, parsePack } from "./evidence-pack.ts";
import type { PublicJwk } from "./receipt.ts";

/** What time-stamp authorities vouch for, in lines, or the first token that does not fit. */
export type TimeStampCheck = (
  checkpoints: readonly PackedCheckpoint[],
) => Promise<{ readonly fault: string } | { readonly lines: readonly string[] }>;

/** What was found in a file that should be a pack. */
export type PackFindings =
  | {
      readonly pack: EvidencePack;
      readonly checks: readonly PackCheck[];
      readonly textFault: string | undefined;
    }
  /** It is none. */
  | { readonly pack: undefined; readonly fault: string };

/**
 * All that does not fit, each check by its name, time stamps left out.
 * @param keys the bank's published keys
 * @param text the text for people
 */
export async function findingsOf(
  file: Uint8Array,
  keys: readonly PublicJwk[] | undefined,
  text: Uint8Array | undefined,
): Promise<PackFindings> {
  const parsed = parsePack(file);
  if ("fault" in parsed) return { pack: undefined, fault: parsed.fault };
  const { pack } = parsed;
  return { pack, checks: await packChecks(pack, keys), textFault: text && textFault(pack, text) };
}

/**
 * What there is to say of a file that should be a pack: the first thing that does not fit, or what was checked.
 * @param timeStamps where it is left out, they are not checked
 */
export async function checkPack(
  file: Uint8Array,
  keys: readonly PublicJwk[] | undefined,
  text: Uint8Array | undefined,
  timeStamps?: TimeStampCheck,
): Promise<{ fault: string } | { summary: string }> {
  const found = await findingsOf(file, keys, text);
  const verdict = verdictOn(found, keys !== undefined, text !== undefined);
  if ("fault" in verdict || timeStamps === undefined || found.pack === undefined) return verdict;
  try {
    const stamped = await timeStamps(found.pack.checkpoints);
    if ("fault" in stamped) return stamped;
    return verdictOn(found, keys !== undefined, text !== undefined, stamped.lines);
  } catch {
    return { fault: "a part of the pack cannot be read" };
  }
}

/** @param stamped what time-stamp authorities vouch for; where it is left out, that was not checked */
export function verdictOn(
  found: PackFindings,
  published: boolean,
  withText: boolean,
  stamped?: readonly string[],
): { fault: string } | { summary: string } {
  if (found.pack === undefined) return { fault: found.fault };
  const fault = found.checks.find((check) => check.fault !== undefined)?.fault ?? found.textFault;
  if (fault !== undefined) return { fault };
  return { summary: summary(found.pack, published, withText, stamped ?? uncheckedStamps(found.pack)) };
}

function uncheckedStamps({ checkpoints }: EvidencePack): string[] {
  const some = checkpoints.some(({ timestamps = [] }) => timestamps.length > 0);
  return some ? ["time stamps present, not checked: check them by --tsa-ca"] : [];
}

export function publishedKeys(text: Uint8Array): PublicJwk[] | undefined {
  try {
    const { keys } = JSON.parse(Buffer.from(text).toString("utf8")) as { keys?: unknown };
    return Array.isArray(keys) ? keys : undefined;
  } catch {
    return undefined;
  }
}

function summary(
  pack: EvidencePack,
  published: boolean,
  withText: boolean,
  stamped: readonly string[],
): string {
  const { signature, events, seals, checkpoints, receipt } = pack;
  const days = checkpoints.map((checkpoint) => checkpoint.day).join(", ");
  const { untold } = compareWithEvents(shownIn(pack), events);
  return [
    `fits: signature ${signature.id}, ${signature.status}`,
    `  ${events.length} events, ${seals.length} seals, ${receipt === null ? "no receipt" : "receipt"}`,
    `  checkpoints: ${days || "none yet: they are made at the end of the day, UTC"}`,
    ...stamped.map((line) => `  ${line}`),
    ...(untold.length > 0 ? [`  in no event, since an older release wrote it: ${untold.join(", ")}`] : []),
    ...(withText ? [textLine(pack)] : []),
    published
      ? "  keys: those that the bank publishes"
      : "  keys: only those in the pack; compare them with the bank's by --jwks",
  ].join("\n");
}

const textLine = (pack: EvidencePack) =>
  pack.text_sha256 === undefined
    ? "  the text beside it is not covered: a pack of this format has no digest of it"
    : "  the text beside it is the one that was exported with it";
