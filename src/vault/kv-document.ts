import type { VaultClient } from "./vault-client.ts";
import { isRecord, VaultError } from "./vault-error.ts";

/** One version of one secret of a KV v2 mount. */
export interface KvDocument {
  readonly data: Readonly<Record<string, unknown>>;
  readonly version: number;
  /** Milliseconds since the epoch, by Vault's clock. */
  readonly createdAt: number;
}

/**
 * Reads the latest version.
 * @param path of the secret in the mount
 * @throws VaultError missing_secret where it is absent, deleted or destroyed; invalid where the mount is not KV v2
 */
export async function readDocument(
  client: VaultClient,
  mount: string,
  path: string,
  signal: AbortSignal,
): Promise<KvDocument> {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  const answer = await client.read(`${mount}/data/${encoded}`, signal).catch(async (error: unknown) => {
    const missing = error instanceof VaultError && error.reason === "missing_secret";
    if (missing && (await isVersion1(client, mount, signal))) throw version1(mount);
    throw error;
  });
  const outer = isRecord(answer) && isRecord(answer["data"]) ? answer["data"] : {};
  const { data, metadata } = outer;
  if (isRecord(data) && isRecord(metadata)) {
    const { version, created_time: createdTime } = metadata;
    const createdAt = typeof createdTime === "string" ? Date.parse(createdTime) : Number.NaN;
    if (typeof version === "number" && !Number.isNaN(createdAt)) {
      return deepFrozen({ data, version, createdAt });
    }
  }
  throw new VaultError("invalid", `${mount}/${path} is not a secret of a KV v2 mount`);
}

/** A KV v1 mount answers a v2 path as if the secret were absent. Whoever may read in a mount may ask this. */
async function isVersion1(client: VaultClient, mount: string, signal: AbortSignal): Promise<boolean> {
  const answer = await client.read(`sys/internal/ui/mounts/${mount}`, signal).catch(() => undefined);
  const data = isRecord(answer) && isRecord(answer["data"]) ? answer["data"] : {};
  if (data["type"] !== "kv" && data["type"] !== "generic") return false;
  return !isRecord(data["options"]) || data["options"]["version"] !== "2";
}

function version1(mount: string): VaultError {
  const cure = `vault kv enable-versioning ${mount}, or name another mount in VAULT_KV_MOUNT`;
  return new VaultError(
    "invalid",
    `the Vault mount ${mount} is KV version 1, and version 2 is needed: ${cure}`,
  );
}

/**
 * Whether to use `read` in place of `used`. A replica that lags behind may answer an older version; the
 * version alone does not tell, since it starts at 1 again where the secret was removed and written anew.
 */
export function isNewer(read: KvDocument, used: KvDocument | undefined): boolean {
  if (used === undefined || read.createdAt > used.createdAt) return true;
  return read.createdAt === used.createdAt && read.version > used.version;
}

function deepFrozen<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) deepFrozen(inner);
  return Object.freeze(value);
}
