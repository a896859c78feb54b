import { timingSafeEqual } from "node:crypto";
import { keyedDigest } from "../domain/keys.ts";

/** The key that evidence is made with, and its id. */
export interface EvidenceKey {
  readonly id: string;
  readonly key: Uint8Array;
}

/** What is listed in the open: what a later question to Twilio would quote. */
export interface ProofFacts {
  readonly sid: string;
  /** `201`, of the answer to a create; `200`, of a list; or the status that a callback told. */
  readonly status: string;
  /** Twilio-Request-Id; empty for callbacks, which have none. */
  readonly request: string;
  /** The Date header, by Twilio's clock; empty for callbacks. */
  readonly date: string;
}

/** What holds the code and the number: in the proof only under the evidence key. */
export interface ProofEvidence {
  /** The answer or callback as it came, byte for byte. */
  readonly answer: string;
  /** The text that was sent; empty for callbacks, which do not carry it. */
  readonly text: string;
}

const form =
  /^v1;sid=([^;]*);request=([^;]*);date=([^;]*);status=([^;]*);answer=([\w-]{43});kid=([^;]*);hmac=([\w-]{43})$/;

/**
 * A compact, readable record that shows later changes. Twilio signs no answers, so this proves what the
 * router saw to whoever trusts its evidence key, and to nobody else. The answer stands in it as a digest
 * of its own: it can be checked where the answer was kept, and the rest where it was not.
 */
export function makeProof(facts: ProofFacts, evidence: ProofEvidence, { id, key }: EvidenceKey): string {
  const { sid, request, date, status } = cleaned(facts);
  const answer = answerDigest(key, evidence.answer);
  const hmac = recordDigest(key, [sid, request, date, status, answer, id, evidence.text]);
  return `v1;sid=${sid};request=${request};date=${date};status=${status};answer=${answer};kid=${id};hmac=${hmac}`;
}

/**
 * The facts of a proof that is as it was made, undefined where anything was changed.
 * @param evidence the text; and the answer, where it was kept
 * @param keyById the evidence key under an id
 */
export function verifyProof(
  proof: string,
  evidence: { text: string; answer?: string },
  keyById: (id: string) => Uint8Array | undefined,
): ProofFacts | undefined {
  const [, sid = "", request = "", date = "", status = "", answer = "", id = "", hmac = ""] =
    form.exec(proof) ?? [];
  const key = keyById(id);
  if (key === undefined) return undefined;
  if (!isEqual(recordDigest(key, [sid, request, date, status, answer, id, evidence.text]), hmac)) {
    return undefined;
  }
  if (evidence.answer !== undefined && !isEqual(answerDigest(key, evidence.answer), answer)) return undefined;
  return { sid, request, date, status };
}

function answerDigest(key: Uint8Array, answer: string): string {
  return keyedDigest(key, "twilio-answer-v1", answer).toString("base64url");
}

/** A JSON array of strings is unambiguous: no two lists of parts give one text. */
function recordDigest(key: Uint8Array, parts: readonly string[]): string {
  return keyedDigest(key, "twilio-proof-v1", JSON.stringify(parts)).toString("base64url");
}

/** Header values come from outside: what could be taken for the record's own signs is dropped. */
function cleaned(facts: ProofFacts): ProofFacts {
  const clean = (value: string) => value.replaceAll(/[^\w ,:+.-]/g, "").slice(0, 64);
  return {
    sid: clean(facts.sid),
    request: clean(facts.request),
    date: clean(facts.date),
    status: clean(facts.status),
  };
}

function isEqual(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}
