import { compareWithEvents } from "./event-comparison.ts";
import { packFault, shownIn, textFault } from "./evidence-check.ts";
import { type EvidencePack, type PackedCheckpoint, parsePack } from "./evidence-pack.ts";
import type { PublicJwk } from "./receipt.ts";

/** What time-stamp authorities vouch for, in lines, or the first token that does not fit. */
export type TimeStampCheck = (
  checkpoints: readonly PackedCheckpoint[],
) => Promise<{ readonly fault: string } | { readonly lines: readonly string[] }>;

/**
 * What there is to say of a file that should be a pack: the first thing that does not fit, or what was checked.
 * @param keys the bank's published keys
 * @param text the text for people
 * @param timeStamps where it is left out, they are not checked
 */
export async function checkPack(
  file: Uint8Array,
  keys: readonly PublicJwk[] | undefined,
  text: Uint8Array | undefined,
  timeStamps?: TimeStampCheck,
): Promise<{ fault: string } | { summary: string }> {
  const parsed = parsePack(file);
  if ("fault" in parsed) return parsed;
  const { pack } = parsed;
  try {
    const fault = (await packFault(pack, keys)) ?? (text && textFault(pack, text));
    if (fault !== undefined) return { fault };
    const stamped = await (timeStamps ?? notChecked)(pack.checkpoints);
    if ("fault" in stamped) return stamped;
    return { summary: summary(pack, keys !== undefined, text !== undefined, stamped.lines) };
  } catch {
    // A forged timeline may fit its own hashes and yet hold no JSON.
    return { fault: "a part of the pack cannot be read" };
  }
}

const notChecked: TimeStampCheck = async (checkpoints) => {
  const some = checkpoints.some(({ timestamps = [] }) => timestamps.length > 0);
  return { lines: some ? ["time stamps present, not checked: check them by --tsa-ca"] : [] };
};

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
    ...(withText ? ["  the text beside it is the one that was exported with it"] : []),
    published
      ? "  keys: those that the bank publishes"
      : "  keys: only those in the pack; compare them with the bank's by --jwks",
  ].join("\n");
}
