import type { VaultClient } from "./vault-client.ts";
import { isRecord, VaultError } from "./vault-error.ts";

export type TransitKeyUse = "sign" | "hmac";

export interface TransitPublicKey {
  /** 32 bytes. */
  readonly bytes: Buffer;
  /** By Vault's clock. */
  readonly createdAt: Date;
}

/** What Vault tells of a key. */
export interface TransitKey {
  readonly latest: number;
  /** The oldest version that Vault still signs and makes HMACs with. */
  readonly oldest: number;
  /** Versions below it are archived (min_decryption_version): Vault shows their public keys no more. */
  readonly oldestShown: number;
  /** By version; none of an HMAC key. */
  readonly publicKeys: ReadonlyMap<number, TransitPublicKey>;
}

/** @throws VaultError missing_secret where there is no such key; invalid where it is no fit one */
export async function readTransitKey(
  client: VaultClient,
  mount: string,
  name: string,
  use: TransitKeyUse,
  signal: AbortSignal,
): Promise<TransitKey> {
  const path = `${mount}/keys/${name}`;
  const type = use === "sign" ? "ed25519" : "hmac";
  const cure = `vault write -f ${path} type=${type}${use === "hmac" ? " key_size=32" : ""}`;
  const answer = await client.read(path, signal).catch((error: unknown) => {
    const missing = error instanceof VaultError && error.reason === "missing_secret";
    if (!missing || error.message.includes("mounted")) throw error;
    throw new VaultError("missing_secret", `Vault has no Transit key ${path}: ${cure}`);
  });
  const data = isRecord(answer) && isRecord(answer["data"]) ? answer["data"] : {};
  const number = (field: string) => (typeof data[field] === "number" ? data[field] : 0);
  const latest = number("latest_version");
  if (data["type"] !== type || data["derived"] === true || latest < 1) {
    throw new VaultError("invalid", `the Transit key ${path} is not of type ${type}: ${cure}`);
  }
  const oldestShown = Math.max(1, number("min_decryption_version"));
  const oldest = Math.max(oldestShown, number("min_encryption_version"));
  const publicKeys = use === "sign" ? readPublicKeys(data["keys"]) : new Map<number, TransitPublicKey>();
  if (use === "sign" && !publicKeys.has(latest)) {
    throw new VaultError("invalid", `the Transit key ${path} shows no public key of its latest version`);
  }
  return { latest, oldest, oldestShown, publicKeys };
}

function readPublicKeys(keys: unknown): Map<number, TransitPublicKey> {
  const read = new Map<number, TransitPublicKey>();
  for (const [version, key] of Object.entries(isRecord(keys) ? keys : {})) {
    const { public_key: text, creation_time: created } = isRecord(key) ? key : {};
    const bytes = Buffer.from(typeof text === "string" ? text : "", "base64");
    const createdAt = new Date(typeof created === "string" ? created : Number.NaN);
    if (bytes.length === 32 && !Number.isNaN(createdAt.getTime())) {
      read.set(Number(version), { bytes, createdAt });
    }
  }
  return read;
}
