/** Something that no sink may hold, and all the ways in which it is written. */
export interface Forbidden {
  readonly what: string;
  /** Texts, in any case. */
  readonly texts?: readonly string[];
  /** A number as short as a code is looked for as a word of its own, or half of all identifiers would match. */
  readonly word?: string;
  /** Bytes: as they are, in hex and in base64. */
  readonly bytes?: Uint8Array;
}

/** A place where things are written: its name and all that stands there. */
export interface Sink {
  readonly name: string;
  readonly text: string;
}

/** What each sink holds of it, e.g. "phone +34600000001 in the log"; empty where nothing leaks. */
export function leaksIn(sink: Sink, forbidden: readonly Forbidden[]): string[] {
  const layers = layersOf(sink.text);
  return forbidden
    .filter((one) => layers.some((layer) => holds(layer, one)))
    .map(({ what }) => `${what} in ${sink.name}`);
}

interface Layer {
  readonly text: string;
  readonly lower: string;
  /** Digits pulled together, so that "600 12 34 56" is a number like any other. */
  readonly packed: string;
}

/** The text, and what it holds in base64, hex or percent-encoding, two layers deep: a JWS, a trailer, a bytea. */
function layersOf(text: string): Layer[] {
  const once = decodings(text);
  const texts = new Set([text, ...once, ...once.flatMap(decodings)]);
  return [...texts].map((one) => ({
    text: one,
    lower: one.toLowerCase(),
    packed: one.replace(/(?<=\d)[ .()/-]+(?=\d)/g, ""),
  }));
}

function decodings(text: string): string[] {
  const base64 = text.match(/[A-Za-z0-9+/_-]{12,}={0,2}/g) ?? [];
  const hex = text.match(/(?:[0-9a-fA-F]{2}){6,}/g) ?? [];
  const decoded = [
    // A run may begin with what is no part of the encoded text.
    ...base64.flatMap((run) =>
      [0, 1, 2, 3].map((from) => Buffer.from(run.slice(from), "base64").toString("latin1")),
    ),
    ...hex.map((run) => Buffer.from(run, "hex").toString("latin1")),
  ];
  const percent = text.includes("%")
    ? [text.replace(/%([0-9a-fA-F]{2})/g, (_, byte) => character(byte))]
    : [];
  return [decoded.join("\n"), ...percent];
}

function character(byte: string): string {
  return String.fromCharCode(Number.parseInt(byte, 16));
}

function holds(layer: Layer, { texts = [], word, bytes }: Forbidden): boolean {
  if (texts.some((text) => layer.lower.includes(text.toLowerCase()) || layer.packed.includes(text)))
    return true;
  // The fraction of a number is none.
  if (word !== undefined && new RegExp(`(?<![0-9A-Za-z]|\\d\\.)${word}(?![0-9A-Za-z])`).test(layer.text))
    return true;
  if (bytes === undefined) return false;
  const buffer = Buffer.from(bytes);
  const written = [
    buffer.toString("base64").replace(/=+$/, ""),
    buffer.toString("base64url"),
    buffer.toString("latin1"),
  ];
  return written.some((one) => layer.text.includes(one)) || layer.lower.includes(buffer.toString("hex"));
}
