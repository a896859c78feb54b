import canonicalize from "canonicalize";
import { signBytes } from "./ed25519.ts";
import type { PublicJwk } from "./receipt.ts";
import type { SigningKey } from "./seal-statement.ts";
import * as form from "./shape.ts";

// The dispute pack: one JSON document about one signature, to be checked without the bank's database. It
// holds no code, no phone number and no customer id. Bytes are in lower-case hex, times in ISO 8601 with
// milliseconds, UTC.

export const packFormat = "signature-evidence-v1";
const packLabel = Buffer.from(`${packFormat}\0`);

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
}

export interface EvidencePack {
  readonly format: typeof packFormat;
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
  /** By the receipt key, over all of the above. */
  readonly signed: { readonly key_id: string; readonly signature: string };
}

const { anyOf, count, exactly, hex, none, text, time, uuid } = form;
const optional = (test: (value: unknown) => boolean) => anyOf(test, none);

const shape: form.Shape = {
  format: exactly(packFormat),
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
};

/** A pack of the right form, or what about its form is wrong; nothing of it has been checked yet. */
export function parsePack(file: string): { pack: EvidencePack } | { fault: string } {
  let document: unknown;
  try {
    document = JSON.parse(file);
  } catch {
    return { fault: "the file is not JSON" };
  }
  const wrong = form.misshapen(shape, document, "pack");
  return wrong === undefined
    ? { pack: document as EvidencePack }
    : { fault: `${wrong} does not have the form that ${packFormat} gives it` };
}

/** What the signature of a pack covers: its RFC 8785 JSON without that signature. */
export function packStatement({ signed: _, ...content }: EvidencePack): Buffer {
  return Buffer.concat([packLabel, Buffer.from(canonicalize(content) as string)]);
}

export function signPack(content: Omit<EvidencePack, "signed">, { id, key }: SigningKey): EvidencePack {
  const unsigned = { ...content, signed: { key_id: id, signature: "" } };
  const signature = signBytes(key, packStatement(unsigned)).toString("hex");
  return { ...content, signed: { key_id: id, signature } };
}
