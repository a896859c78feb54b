import { isCurrencyCode } from "./currencies.ts";
import { folded, isCalling, isMoneyWord, isMultiplier, isQuantity, spelledDigits } from "./number-words.ts";

// A payee or a description that holds a telephone number or an amount makes the bank's message somebody else's
// ("FRAUDE? Llame al 911234567 ya"). What reads as one is hidden: ".." stands for it, with the last four digits of a
// long number, as accounts are shown. The text is read once, as words, digits and signs; what is looked at around
// each of them is bounded.

interface Token {
  readonly kind: "digits" | "word" | "sign";
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Tokens in whose place something else is shown. */
interface Range {
  readonly tokens: readonly Token[];
  readonly shown: string;
}

const hidden = "..";

/** The text with telephone numbers and amounts hidden. It has single spaces and no controls. */
export function hideNumbers(text: string): string {
  const tokens = tokensOf(text);
  const amounts = amountRanges(tokens);
  const inAmounts = new Set(amounts.flatMap(({ tokens: of }) => of));
  const rest = tokens.filter((token) => !inAmounts.has(token));
  const codes = rest.filter((token) => commonest.test(token.text));
  return replaced(text, [
    ...amounts,
    ...telephoneRanges(rest),
    ...codes.map((token) => ({ tokens: [token], shown: hidden })),
  ]);
}

/** Whether there is what reads as a telephone number, or as a code or an account; amounts are none. */
export function holdsNumber(text: string): boolean {
  const tokens = tokensOf(text);
  const inAmounts = new Set(amountRanges(tokens).flatMap(({ tokens: of }) => of));
  return telephoneRanges(tokens.filter((token) => !inAmounts.has(token))).length > 0;
}

function tokensOf(text: string): Token[] {
  return Array.from(text.matchAll(/(\p{Nd}+)|(\p{L}[\p{L}\p{M}]*)|./gsu), (match) => ({
    kind: match[1] !== undefined ? "digits" : match[2] !== undefined ? "word" : "sign",
    text: match[0],
    start: match.index,
    end: match.index + match[0].length,
  }));
}

function replaced(text: string, ranges: readonly Range[]): string {
  const places = ranges.map(({ tokens, shown }) => ({
    start: tokens[0]!.start,
    end: tokens.at(-1)!.end,
    shown,
  }));
  let shown = "";
  let at = 0;
  for (const { start, end, shown: instead } of places.sort((a, b) => a.start - b.start)) {
    if (start < at) continue;
    shown += text.slice(at, start) + instead;
    at = end;
  }
  return shown + text.slice(at);
}

/** Fewer digits are a house, a year, a shop's number; signs between them must be few. */
const telephoneDigits = 6;
const looseDigits = 7;
const dateDigits = 8;
const mostSigns = 4;

interface Run {
  readonly tokens: Token[];
  digits: number;
  signs: Token[];
}

/** Six digits with blanks, dots and hyphens between them or none; seven in whatever way they are spelled. */
function telephoneRanges(tokens: readonly Token[]): Range[] {
  const ranges: Range[] = [];
  let run: Run = { tokens: [], digits: 0, signs: [] };
  let pending: Token[] = [];
  let lastCall = Number.NEGATIVE_INFINITY;
  let runWords = 0;
  let words = 0;
  const close = (next?: Token): void => {
    const isVanity =
      next?.kind === "word" &&
      next.text.length >= 4 &&
      /^[-.]$/.test(pending.map(({ text }) => text).join(""));
    const range = rangeOf(run, runWords - lastCall <= 3, isVanity);
    if (range !== undefined)
      ranges.push({ ...range, tokens: [...opening(range.tokens[0]!), ...range.tokens] });
    run = { tokens: [], digits: 0, signs: [] };
    pending = [];
  };
  const opening = (first: Token): Token[] => openings.get(first) ?? [];
  const openings = openingSigns(tokens);
  for (const [at, token] of tokens.entries()) {
    const weight = digitsIn(tokens, at);
    if (weight > 0) {
      if (run.tokens.length === 0) runWords = words;
      else run.signs.push(...pending);
      pending = [];
      run.tokens.push(token);
      run.digits += weight;
    } else if (run.tokens.length > 0 && joins(token) && pending.length < mostSigns) {
      pending.push(token);
    } else if (run.tokens.length > 0) {
      close(token);
    }
    if (token.kind !== "word") continue;
    words += 1;
    if (isCalling(folded(token.text))) lastCall = words;
  }
  close();
  return ranges;
}

/** The "+" or "(" right before a number, which goes with it. */
function openingSigns(tokens: readonly Token[]): ReadonlyMap<Token, Token[]> {
  const signs = new Map<Token, Token[]>();
  for (const [at, token] of tokens.entries()) {
    const before = tokens[at - 1];
    if (token.kind === "digits" && before?.end === token.start && /^[+(]$/.test(before.text))
      signs.set(token, [before]);
  }
  return signs;
}

/** Signs, single letters (91x123) and the "y" of "treinta y tres". */
function joins({ kind, text }: Token): boolean {
  return kind === "sign" || text.length === 1 || text.toLowerCase() === "and";
}

const looksLikeDigits = /^[oqdilszbg]{1,2}$/;

/** How many digits a token is worth in a telephone number; letters that look like digits only between digits. */
function digitsIn(tokens: readonly Token[], at: number): number {
  const { kind, text } = tokens[at]!;
  if (kind === "digits") return [...text].length;
  if (kind === "sign") return 0;
  const word = folded(text);
  const between = tokens[at - 1]?.kind === "digits" && tokens[at + 1]?.kind === "digits";
  if (between && looksLikeDigits.test(word)) return text.length;
  return spelledDigits(word);
}

/** @param isVanity a word follows, as in 1-800-FLOWERS */
function rangeOf({ tokens, digits, signs }: Run, called: boolean, isVanity: boolean): Range | undefined {
  if (tokens.length === 0) return undefined;
  const figures = tokens.flatMap(({ kind, text }) => (kind === "digits" ? [...text] : []));
  const strict = figures.length === digits && signs.every(({ text }) => /^[ .()+-]$/.test(text));
  const isDate =
    digits <= dateDigits &&
    tokens.length <= 3 &&
    signs.length > 0 &&
    signs.every(({ text }) => text === "/") &&
    tokens.every(({ text }) => text.length <= 4);
  const isTelephone = !isDate && digits >= (strict ? telephoneDigits : looseDigits);
  const isShort = (called && digits >= 3) || (isVanity && /^1?[89]\d\d$/.test(figures.join("")));
  if (!isTelephone && !isShort) return undefined;
  return { tokens, shown: hidden + (isTelephone ? figures.slice(-4).join("") : "") };
}

/** Numbers beside a currency, and numbers with two decimals. */
function amountRanges(tokens: readonly Token[]): Range[] {
  const ranges: Range[] = [];
  let free = 0;
  for (let at = 0; at < tokens.length; at += 1) {
    const to = numberEnd(tokens, at);
    if (to === at) continue;
    const number = tokens
      .slice(at, to)
      .map(({ text }) => text)
      .join("");
    const decimal = /[.,']\p{Nd}{2}(?!\p{Nd})/u.test(number);
    const before = currencyBefore(tokens, at - 1);
    const after = currencyAfter(tokens, to);
    if (decimal || before !== undefined || after !== undefined) {
      // A sign between two numbers belongs to the first.
      ranges.push({ tokens: tokens.slice(Math.max(before ?? at, free), after ?? to), shown: hidden });
      free = after ?? to;
    }
    at = (after ?? to) - 1;
  }
  return ranges;
}

/** The end of the number that begins here: digits with single signs between them, or one word. */
function numberEnd(tokens: readonly Token[], at: number): number {
  const token = tokens[at]!;
  if (token.kind === "word") {
    const word = folded(token.text);
    return spelledDigits(word) > 0 || isQuantity(word) ? at + 1 : at;
  }
  if (token.kind !== "digits") return at;
  let end = at + 1;
  while (/^[.,' ]$/.test(tokens[end]?.text ?? "") && tokens[end + 1]?.kind === "digits") {
    if (tokens[end]?.text === " " && [...tokens[end + 1]!.text].length !== 3) break;
    end += 2;
  }
  return end;
}

const symbol = /^\p{Sc}$/u;
/** Hidden without a number, too: one may stand in the description, or before it in the message. */
const commonest = /^(?:EUR|USD|GBP|CHF|JPY|CNY|MXN)$/;
const loose = /^[ .:-]$/;

/** The token at which a currency before a number begins: its symbol or code, e.g. "EUR: 5", "US$5". */
function currencyBefore(tokens: readonly Token[], from: number): number | undefined {
  let at = from;
  for (let skipped = 0; skipped < 2 && loose.test(tokens[at]?.text ?? ""); skipped += 1) at -= 1;
  const token = tokens[at];
  if (token === undefined) return undefined;
  if (symbol.test(token.text)) return /^\p{Lu}{1,3}$/u.test(tokens[at - 1]?.text ?? "") ? at - 1 : at;
  if (token.kind !== "word") return undefined;
  return isCurrencyCode(latin(token.text)) ? at : spacedCode(tokens, at, -1);
}

/** The token after a currency that follows a number: symbol, code or name, after "mil" or "millones de" as well. */
function currencyAfter(tokens: readonly Token[], from: number): number | undefined {
  let at = from;
  for (let skipped = 0; skipped < 6; skipped += 1) {
    const token = tokens[at];
    if (token === undefined) return undefined;
    if (symbol.test(token.text)) return at + 1;
    if (token.kind === "word") {
      // "5eurosРомашка": a word of another script goes on where the currency ends.
      const names = [token.text, /^\p{Script=Latin}+/u.exec(token.text)?.[0] ?? ""];
      if (names.some((name) => isCurrencyCode(latin(name)) || isMoneyWord(name))) return at + 1;
      const spaced = spacedCode(tokens, at, 1);
      if (spaced !== undefined) return spaced;
      if (!isMultiplier(folded(token.text))) return undefined;
    } else if (!loose.test(token.text)) return undefined;
    at += 1;
  }
  return undefined;
}

/** "E U R", "E.U.R": three letters with a sign between them. The first token of it backwards, else the one after it. */
function spacedCode(tokens: readonly Token[], at: number, step: 1 | -1): number | undefined {
  if (tokens[at]!.text.length !== 1) return undefined;
  const letters = [0, 2, 4].map((offset) => tokens[at + step * offset]);
  if (letters.some((token) => token?.kind !== "word" || token.text.length !== 1)) return undefined;
  const code = letters.map((token) => token!.text);
  if (step === -1) code.reverse();
  if (!isCurrencyCode(latin(code.join("")))) return undefined;
  return step === 1 ? at + 5 : at - 4;
}

function latin(word: string): string {
  return word.length > 4 ? "" : folded(word).toUpperCase();
}
