import type { KeyValidity } from "../domain/key-validity.ts";
import type { KeyRing, Keys, ReceiptKeyRing, RingName } from "../domain/keys.ts";

/** The names that the rings have in Vault and in the keys file. */
export const ringNames: Readonly<Record<RingName, string>> = {
  codePepper: "code-pepper",
  phoneSeal: "phone-seal",
  pseudonym: "pseudonym",
  evidence: "evidence",
  receipt: "receipt",
};

const keyBytes = 32;
const keyIdForm = /^[A-Za-z0-9._-]{1,32}$/;
/** A version of a key in Vault's Transit engine, whose public key the bank may publish like that of a seed. */
const transitIdForm = /^transit:[A-Za-z0-9][\w.-]{0,63}:v[1-9]\d{0,8}$/;

/**
 * Parses `{"code-pepper":{"primary":"p2","keys":{"p1":"<base64, 32 bytes>",…}},…}`; the receipt ring may
 * have `"retired":{"r0":"<base64, public key of 32 bytes>"}` and `"validity"` beside its keys.
 * @param elsewhere rings that may have no keys, or be left out
 * @returns the rings, or every fault, none of which repeats a value
 */
export function parseKeyRings(
  document: unknown,
  elsewhere: readonly RingName[] = [],
): { keys: Keys } | { faults: string[] } {
  const faults: string[] = [];
  if (!isRecord(document)) return { faults: ["the key rings must be a JSON object"] };
  const known = new Set(Object.values(ringNames));
  for (const name of Object.keys(document)) {
    if (!known.has(name)) faults.push(`${speakable(name)} is not a key ring`);
  }
  const ring = (name: RingName) => {
    const value = document[ringNames[name]];
    const isEmpty = value === undefined || (isRecord(value) && !("keys" in value));
    if (isEmpty && elsewhere.includes(name)) return { primary: "", keys: new Map<string, Uint8Array>() };
    return parseRing(ringNames[name], value, faults);
  };
  const receipt = document[ringNames.receipt];
  const keys: Keys = {
    codePepper: ring("codePepper"),
    phoneSeal: ring("phoneSeal"),
    pseudonym: ring("pseudonym"),
    evidence: ring("evidence"),
    receipt: withValidity(withRetired(ring("receipt"), receipt, faults), receipt, faults),
  };
  return faults.length > 0 ? { faults } : { keys };
}

function parseRing(name: string, value: unknown, faults: string[]): KeyRing {
  const keys = new Map<string, Uint8Array>();
  const none = { primary: "", keys };
  if (!isRecord(value) || !isRecord(value["keys"])) {
    faults.push(`${name} must be {"primary": id, "keys": {id: base64}}`);
    return none;
  }
  parseKeys(name, value["keys"], keys, faults);
  const primary = value["primary"];
  if (typeof primary !== "string" || !Object.hasOwn(value["keys"], primary)) {
    faults.push(`${name} has no key of the id that "primary" names`);
    return none;
  }
  return { primary, keys };
}

/** Adds each well-formed key to `keys`, and each fault to `faults`. */
function parseKeys(
  name: string,
  value: Readonly<Record<string, unknown>>,
  keys: Map<string, Uint8Array>,
  faults: string[],
  isId = (id: string) => keyIdForm.test(id),
): void {
  for (const [id, encoded] of Object.entries(value)) {
    const key = typeof encoded === "string" ? Buffer.from(encoded, "base64") : Buffer.alloc(0);
    if (!isId(id)) faults.push(`${name} has a key id that is not 1 to 32 of A-Z a-z 0-9 . _ -`);
    else if (key.length !== keyBytes) faults.push(`${name}.${id} must be ${keyBytes} bytes in base64`);
    else keys.set(id, key);
  }
}

function withRetired(ring: KeyRing, value: unknown, faults: string[]): ReceiptKeyRing {
  if (!isRecord(value) || value["retired"] === undefined) return ring;
  const name = `${ringNames.receipt}.retired`;
  const retired = new Map<string, Uint8Array>();
  if (isRecord(value["retired"])) parseKeys(name, value["retired"], retired, faults, isPublicId);
  else faults.push(`${name} must be {id: base64 of a public key}`);
  for (const id of retired.keys()) {
    if (ring.keys.has(id)) faults.push(`${name}.${id} is among the keys too: it is one or the other`);
  }
  return { ...ring, retired };
}

const instantForm = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z$/;

/** `"validity":{"r0":{"from":"2026-01-01T00:00:00Z","until":"…","revoked":"…"}}`, each of the three optional. */
function withValidity(ring: ReceiptKeyRing, value: unknown, faults: string[]): ReceiptKeyRing {
  if (!isRecord(value) || value["validity"] === undefined) return ring;
  const name = `${ringNames.receipt}.validity`;
  if (!isRecord(value["validity"])) {
    faults.push(`${name} must be {id: {"from", "until", "revoked"}}`);
    return ring;
  }
  const validity = new Map<string, KeyValidity>();
  for (const [id, window] of Object.entries(value["validity"])) {
    if (!isPublicId(id) || !(ring.keys.has(id) || ring.retired?.has(id) || transitIdForm.test(id))) {
      faults.push(`${name} names ${speakable(id)}, which is no key of the ring`);
      continue;
    }
    const read = isRecord(window) ? Object.entries(window) : [["", window] as const];
    const isTime = (at: unknown) =>
      typeof at === "string" && instantForm.test(at) && !Number.isNaN(Date.parse(at));
    if (!read.every(([fact, at]) => ["from", "until", "revoked"].includes(fact) && isTime(at))) {
      faults.push(
        `${name}.${id} must have times in UTC such as 2026-01-31T00:00:00Z under "from", "until" and "revoked"`,
      );
      continue;
    }
    validity.set(id, Object.fromEntries(read.map(([fact, at]) => [fact, new Date(String(at))])));
  }
  // What is signed with it would not verify.
  if (validity.get(ring.primary)?.revoked)
    faults.push(`${ringNames.receipt}.primary names a key that is revoked`);
  return { ...ring, validity };
}

function isPublicId(id: string): boolean {
  return keyIdForm.test(id) || transitIdForm.test(id);
}

/** A name fit for a message. A key of 32 bytes that stands where a name belongs is longer than any name. */
function speakable(name: string): string {
  return keyIdForm.test(name) ? JSON.stringify(name) : "a name of other than 1 to 32 of A-Z a-z 0-9 . _ -";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
