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

/**
 * Parses `{"code-pepper":{"primary":"p2","keys":{"p1":"<base64, 32 bytes>",…}},…}`; the receipt ring may
 * have `"retired":{"r0":"<base64, public key of 32 bytes>"}` beside its keys.
 * @returns the rings, or every fault, none of which repeats a value
 */
export function parseKeyRings(document: unknown): { keys: Keys } | { faults: string[] } {
  const faults: string[] = [];
  if (!isRecord(document)) return { faults: ["the key rings must be a JSON object"] };
  const known = new Set(Object.values(ringNames));
  for (const name of Object.keys(document)) {
    if (!known.has(name)) faults.push(`${speakable(name)} is not a key ring`);
  }
  const ring = (name: RingName) => parseRing(ringNames[name], document[ringNames[name]], faults);
  const keys: Keys = {
    codePepper: ring("codePepper"),
    phoneSeal: ring("phoneSeal"),
    pseudonym: ring("pseudonym"),
    evidence: ring("evidence"),
    receipt: withRetired(ring("receipt"), document[ringNames.receipt], faults),
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
): void {
  for (const [id, encoded] of Object.entries(value)) {
    const key = typeof encoded === "string" ? Buffer.from(encoded, "base64") : Buffer.alloc(0);
    if (!keyIdForm.test(id)) faults.push(`${name} has a key id that is not 1 to 32 of A-Z a-z 0-9 . _ -`);
    else if (key.length !== keyBytes) faults.push(`${name}.${id} must be ${keyBytes} bytes in base64`);
    else keys.set(id, key);
  }
}

function withRetired(ring: KeyRing, value: unknown, faults: string[]): ReceiptKeyRing {
  if (!isRecord(value) || value["retired"] === undefined) return ring;
  const name = `${ringNames.receipt}.retired`;
  const retired = new Map<string, Uint8Array>();
  if (isRecord(value["retired"])) parseKeys(name, value["retired"], retired, faults);
  else faults.push(`${name} must be {id: base64 of a public key}`);
  for (const id of retired.keys()) {
    if (ring.keys.has(id)) faults.push(`${name}.${id} is among the keys too: it is one or the other`);
  }
  return { ...ring, retired };
}

/** A name fit for a message. A key of 32 bytes that stands where a name belongs is longer than any name. */
function speakable(name: string): string {
  return keyIdForm.test(name) ? JSON.stringify(name) : "a name of other than 1 to 32 of A-Z a-z 0-9 . _ -";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
