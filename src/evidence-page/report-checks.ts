import type { EvidencePack } from "../domain/evidence-pack.ts";
import type { PackFindings } from "../domain/pack-verdict.ts";
import { spanishFault } from "./spanish-faults.ts";
import { visible } from "./values.ts";
import { type Language, type Words, words } from "./words.ts";

export interface Check {
  readonly state: "passed" | "failed" | "skipped";
  readonly stateName: string;
  readonly label: string;
  /** What does not fit, or why it was not checked. */
  readonly detail: { readonly text: string; readonly lang: Language } | undefined;
}

const labels = {
  ...({ keys: "checkKeys", timeline: "checkTimeline", seals: "checkSeals" } as const),
  ...({ checkpoints: "checkCheckpoints", receipt: "checkReceipt", content: "checkContent" } as const),
  ...({ facts: "checkFacts", signed: "checkSigned", windows: "checkWindows" } as const),
} satisfies Record<string, keyof Words>;

/** A fault in a language; in English where there is no other sentence for it. */
export function faultIn(fault: string, language: Language): { text: string; lang: Language } {
  const text = language === "es" ? spanishFault(fault) : undefined;
  return text === undefined ? { text: visible(fault), lang: "en" } : { text: visible(text), lang: "es" };
}

export function checksOf(
  found: PackFindings,
  given: { readonly withKeys: boolean; readonly withText: boolean },
  language: Language,
): Check[] {
  const say = words[language];
  const check = (label: string, fault: string | undefined, unchecked?: string): Check => {
    const state = fault !== undefined ? "failed" : unchecked !== undefined ? "skipped" : "passed";
    const why = unchecked === undefined ? undefined : { text: unchecked, lang: language };
    return {
      ...{ state, stateName: say[state], label },
      detail: fault === undefined ? why : faultIn(fault, language),
    };
  };
  if (found.pack === undefined) return [check(say.checkForm, found.fault)];
  return [
    check(say.checkForm, undefined),
    ...found.checks.map(({ name, fault }) =>
      check(say[labels[name]], fault, name === "keys" && !given.withKeys ? say.noKeys : undefined),
    ),
    check(say.checkText, found.textFault, textUnchecked(found.pack, given.withText, say)),
    check(say.checkTimestamps, undefined, hasTimestamps(found.pack) ? say.timestampsHere : say.noTimestamps),
  ];
}

function textUnchecked(pack: EvidencePack, withText: boolean, say: Words): string | undefined {
  if (!withText) return say.noText;
  return pack.text_sha256 === undefined ? say.textUncovered : undefined;
}

const hasTimestamps = ({ checkpoints }: EvidencePack) =>
  checkpoints.some(({ timestamps = [] }) => timestamps.length > 0);
