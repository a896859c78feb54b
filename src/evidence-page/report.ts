import type { EvidencePack } from "../domain/evidence-pack.ts";
import { type PackFindings, verdictOn } from "../domain/pack-verdict.ts";
import { type Check, checksOf, faultIn } from "./report-checks.ts";
import { amountIn, messageStatusIn, statusIn, timeIn, visible, wordFor } from "./values.ts";
import { type Language, type Words, words } from "./words.ts";

export interface Row {
  readonly label: string;
  readonly value: string;
  /** Digests, ids and texts: character for character. */
  readonly exact?: boolean;
}

export interface Section {
  readonly title: string;
  readonly rows: readonly Row[];
}

/** What the page shows of a pack, in one language. */
export interface Report {
  readonly kind: "fits" | "alone" | "faulty";
  readonly title: string;
  readonly explanation: string;
  /** Each fault; in English where the language has no sentence for it. */
  readonly faults: readonly { readonly text: string; readonly lang: Language }[];
  readonly sections: readonly Section[];
  readonly checks: readonly Check[];
  /** What verify.mjs prints. */
  readonly line: string;
}

export interface Given {
  readonly withKeys: boolean;
  readonly withText: boolean;
}

export function reportOf(found: PackFindings, { withKeys, withText }: Given, language: Language): Report {
  const say = words[language];
  const verdict = verdictOn(found, withKeys, withText);
  const faulty = "fault" in verdict;
  const faults = found.pack
    ? [...found.checks.map(({ fault }) => fault), found.textFault].filter((fault) => fault !== undefined)
    : [found.fault];
  const kind = faulty ? "faulty" : withKeys ? "fits" : "alone";
  const titles = { fits: say.fits, alone: say.fitsAlone, faulty: say.faulty };
  const explanations = { fits: say.fitsMore, alone: say.fitsAloneMore, faulty: say.faultyMore };
  return {
    ...{ kind, title: titles[kind], explanation: explanations[kind] },
    faults: [...new Set(faults)].map((fault) => faultIn(fault, language)),
    sections: found.pack ? sectionsOf(found.pack, faulty, language) : [],
    checks: checksOf(found, { withKeys, withText }, language),
    line: faulty ? `DOES NOT FIT: ${verdict.fault}` : verdict.summary,
  };
}

function sectionsOf(pack: EvidencePack, faulty: boolean, language: Language): Section[] {
  const say = words[language];
  const completed = pack.signature.status === "completed";
  const title = faulty ? say.claimed : completed ? say.signed : say.unsigned;
  return [
    { title, rows: transactionRows(pack, language) },
    { title: say.signing, rows: signingRows(pack, language) },
    ...pack.challenges.map((challenge, index) => ({
      title: `${say.message} ${index + 1}`,
      rows: messageRows(challenge, language),
    })),
    { title: say.record, rows: recordRows(pack, language) },
  ];
}

const namedParts = ["payee", "payee_account", "reference", "description", "type"] as const;

function transactionRows({ transaction }: EvidencePack, language: Language): Row[] {
  const say = words[language];
  const { amount, attributes, ...others } = transaction;
  const texts = Object.entries({ ...inOrder(others), ...(attributes as object) });
  return [
    ...(amount === undefined ? [] : [{ label: say.amount, value: amountIn(language, amount) }]),
    ...texts
      .filter(([, value]) => value !== "" && value !== null)
      .map(([name, value]) => ({
        label: wordFor(say, namedParts, name),
        value: visible(typeof value === "string" ? value : JSON.stringify(value)),
      })),
  ];
}

/** The parts that have a name first, in the order in which people ask for them. */
function inOrder(parts: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const named = namedParts.filter((name) => parts[name] !== undefined).map((name) => [name, parts[name]]);
  return { ...Object.fromEntries(named), ...parts };
}

function signingRows({ signature, challenges }: EvidencePack, language: Language): Row[] {
  const say = words[language];
  const completed = signature.status === "completed";
  const last = challenges.find(({ status }) => status === "completed") ?? challenges.at(-1);
  return [
    { label: say.status, value: statusIn(say, signature.status) },
    ...(signature.closed_at === null
      ? []
      : [{ label: completed ? say.signedAt : say.closedAt, value: timeIn(language, signature.closed_at) }]),
    ...(last === undefined
      ? []
      : [
          { label: say.channel, value: wordFor(say, ["sms"], last.channel) },
          { label: say.destination, value: visible(last.masked_destination) },
        ]),
    { label: say.createdAt, value: timeIn(language, signature.created_at) },
    { label: say.caller, value: visible(signature.caller) },
    { label: say.firstFactor, value: visible(signature.first_factor) || say.notTold },
  ];
}

function messageRows(challenge: EvidencePack["challenges"][number], language: Language): Row[] {
  const say = words[language];
  const time = (label: string, at: string | null) =>
    at === null ? [] : [{ label, value: timeIn(language, at) }];
  return [
    { label: say.status, value: messageStatusIn(say, challenge.status) },
    { label: say.channel, value: channelOf(say, challenge) },
    { label: say.destination, value: visible(challenge.masked_destination) },
    ...time(say.sentAt, challenge.sent_at),
    ...time(say.deliveredAt, challenge.delivered_at),
    { label: say.messageText, value: challenge.text === null ? say.noMessageText : visible(challenge.text) },
    ...(challenge.message_sid === null
      ? []
      : [{ label: say.messageId, value: visible(challenge.message_sid), exact: true }]),
  ];
}

const channelOf = (say: Words, { channel, provider }: { channel: string; provider: string }) =>
  `${wordFor(say, ["sms"], channel)} (${visible(provider)})`;

function recordRows(pack: EvidencePack, language: Language): Row[] {
  const say = words[language];
  return [
    { label: say.signatureId, value: pack.signature.id, exact: true },
    { label: say.digest, value: pack.signature.transaction_digest, exact: true },
    { label: say.exportedAt, value: timeIn(language, pack.exported_at) },
    { label: say.format, value: pack.format, exact: true },
    { label: say.events, value: String(pack.events.length) },
    { label: say.seals, value: String(pack.seals.length) },
    { label: say.days, value: pack.checkpoints.map(({ day }) => day).join(", ") || say.noDays },
    { label: say.keys, value: pack.keys.map(({ kid }) => visible(kid)).join(", ") },
  ];
}
