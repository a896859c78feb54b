import canonicalize from "canonicalize";
import type { PublicJwk } from "./receipt.ts";
import * as form from "./shape.ts";
import type { Signer } from "./signer.ts";

// The dispute pack: one JSON document about one signature, to be checked without the bank's database. It
// holds no code, no phone number and no customer id. Bytes are in lower-case hex, times in ISO 8601 with
// milliseconds, UTC.

export const packFormat = "signature-evidence-v2";
/** What releases before wrote: without windows of keys, time stamps and the digest of the text for people. */
const formerFormat = "signature-evidence-v1";

export interface PackedEvent {
  readonly number: number;
  readonly at: string;
  readonly type: string;
  /** The JSON text that was hashed. */
  readonly details: string;
  readonly hash: string;
}

export interface PackedSeal {
  readonly length: number;
  readonly head: string;
  readonly sealed_at: string;
  readonly key_id: string;
  readonly signature: string;
}

export interface PackedCheckpoint {
  readonly day: string;
  readonly seals: number;
  readonly digest: string;
  readonly previous: string;
  readonly key_id: string;
  readonly signature: string;
  /** Where seals of this pack stand in the day's tree, by their length; the path leads to the digest. */
  readonly inclusions: readonly {
    readonly length: number;
    readonly index: number;
    readonly path: readonly string[];
  }[];
  /** Tokens of time-stamp authorities (RFC 3161) over the checkpoint's hash. */
  readonly timestamps?: readonly { readonly sink: string; readonly token: string }[];
}

export interface EvidencePack {
  readonly format: typeof packFormat | typeof formerFormat;
  readonly exported_at: string;
  readonly signature: {
    readonly id: string;
    readonly caller: string;
    readonly status: string;
    readonly created_at: string;
    readonly expires_at: string;
    readonly closed_at: string | null;
    readonly abort_reason: string | null;
    readonly attempts_remaining: number;
    readonly first_factor: string;
    readonly locale: string;
    readonly transaction_digest: string;
  };
  readonly transaction: Readonly<Record<string, unknown>>;
  readonly challenges: readonly {
    readonly id: string;
    readonly channel: string;
    readonly provider: string;
    readonly status: string;
    readonly masked_destination: string;
    /** With the code masked; null where this release renders another one than the one that was confirmed. */
    readonly text: string | null;
    readonly message_sid: string | null;
    readonly provider_proof: string | null;
    readonly provider_error_code: string | null;
    readonly calls: number;
    readonly created_at: string;
    readonly sent_at: string | null;
    readonly delivered_at: string | null;
  }[];
  readonly provider_receipts: readonly {
    readonly challenge_id: string;
    readonly received_at: string;
    readonly parameters: string;
    readonly proof: string;
    /** Whether the proof was that of the parameters, under the bank's evidence key, at the export. */
    readonly proof_fits: boolean;
  }[];
  readonly events: readonly PackedEvent[];
  readonly seals: readonly PackedSeal[];
  readonly checkpoints: readonly PackedCheckpoint[];
  /** Compact JWS. */
  readonly receipt: string | null;
  readonly keys: readonly PublicJwk[];
  /** SHA-256 of the text for people, which stands in a file beside this one. */
  readonly text_sha256?: string;
  /** By the receipt key, over all of the above. */
  readonly signed: { readonly key_id: string; readonly signature: string };
}

const { anyOf, count, exactly, hex, none, text, time, uuid } = form;
const optional = (test: (value: unknown) => boolean) => anyOf(test, none);

const absent = (value: unknown) => value === undefined;
const maybe = (test: (value: unknown) => boolean) => anyOf(test, absent);

const formerShape = {
  format: exactly(formerFormat),
  exported_at: time,
  signature: {
    ...{ id: uuid, caller: text, status: text, created_at: time, expires_at: time },
    ...{ closed_at: optional(time), abort_reason: optional(text), attempts_remaining: count },
    ...{ first_factor: text, locale: text, transaction_digest: hex(32) },
  },
  transaction: form.record,
  challenges: [
    {
      ...{ id: uuid, channel: text, provider: text, status: text, masked_destination: text },
      ...{ text: optional(text), message_sid: optional(text), provider_proof: optional(text) },
      ...{ provider_error_code: optional(text), calls: count, created_at: time },
      ...{ sent_at: optional(time), delivered_at: optional(time) },
    },
  ],
  provider_receipts: [
    {
      ...{ challenge_id: uuid, received_at: time, parameters: text, proof: text },
      proof_fits: (value) => typeof value === "boolean",
    },
  ],
  events: [{ number: count, at: time, type: text, details: text, hash: hex(32) }],
  seals: [{ length: count, head: hex(32), sealed_at: time, key_id: text, signature: hex(64) }],
  checkpoints: [
    {
      ...{
        day: form.day,
        seals: count,
        digest: hex(32),
        previous: hex(32),
        key_id: text,
        signature: hex(64),
      },
      inclusions: [{ length: count, index: count, path: [hex(32)] }],
    },
  ],
  receipt: optional(text),
  keys: [
    {
      ...{ kty: exactly("OKP"), crv: exactly("Ed25519"), x: form.base64url(32), kid: text },
      ...{ alg: exactly("EdDSA"), use: exactly("sig") },
    },
  ],
  signed: { key_id: text, signature: hex(64) },
} as const satisfies form.Shape;

const [formerCheckpoint] = formerShape.checkpoints;
const [formerKey] = formerShape.keys;
const shape: form.Shape = {
  ...formerShape,
  format: exactly(packFormat),
  checkpoints: [{ ...formerCheckpoint, timestamps: [{ sink: text, token: form.hexBytes }] }],
  keys: [{ ...formerKey, nbf: maybe(count), exp: maybe(count), revoked_at: maybe(count) }],
  text_sha256: hex(32),
};

/** The one file that is this pack, byte for byte. */
export function packFile(pack: EvidencePack): Buffer {
  return Buffer.from(`${JSON.stringify(pack, null, 2)}\n`);
}

/**
 * A pack of the right form, or what about its form is wrong; nothing of it has been checked yet. Two readers must see
 * the same pack: what JSON leaves open (members that stand twice, escapes, spaces, numbers) has one spelling.
 */
export function parsePack(file: Uint8Array): { pack: EvidencePack } | { fault: string } {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(file).toString("utf8"));
  } catch {
    return { fault: "the file is not JSON" };
  }
  const isFormer = form.record(document) && (document as { format?: unknown }).format === formerFormat;
  const wrong = form.misshapen(isFormer ? formerShape : shape, document, "pack");
  if (wrong !== undefined) {
    return { fault: `${wrong} does not have the form that ${isFormer ? formerFormat : packFormat} gives it` };
  }
  const pack = document as EvidencePack;
  return Buffer.from(file).equals(packFile(pack))
    ? { pack }
    : { fault: "the file is not spelled as packs are: a member stands twice, or was written otherwise" };
}

/** What the signature of a pack covers: its RFC 8785 JSON without that signature. */
export function packStatement({ signed: _, ...content }: EvidencePack): Buffer {
  return Buffer.concat([Buffer.from(`${content.format}\0`), Buffer.from(canonicalize(content) as string)]);
}

/** @throws Failure SERVICE_UNAVAILABLE */
export async function signPack(signer: Signer, content: Omit<EvidencePack, "signed">): Promise<EvidencePack> {
  const signed = { key_id: signer.currentKeyId(), signature: "" };
  const [signature] = await signer.sign(signed.key_id, [packStatement({ ...content, signed })]);
  return { ...content, signed: { ...signed, signature: signature!.toString("hex") } };
}
