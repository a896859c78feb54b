import { envelope, errors, type MountType, nothingThere, type VaultAnswer } from "./vault-answer.ts";

type Version = {
  /** Null once destroyed. */
  data: Readonly<Record<string, unknown>> | null;
  readonly createdAt: number;
  deletedAt: number | null;
  destroyed: boolean;
};

type Secret = { versions: Version[]; updatedAt: number; readonly createdAt: number };

/** A KV v2 engine: every write is a new version, numbered from 1. */
export class VaultKv {
  readonly #secrets = new Map<string, Secret>();
  readonly #clock: () => number;
  readonly #mountType: MountType;

  constructor(clock: () => number, mountType: MountType) {
    this.#clock = clock;
    this.#mountType = mountType;
  }

  /** Writes the next version and returns its number. */
  put(path: string, data: Readonly<Record<string, unknown>>): number {
    const now = this.#clock();
    const secret = this.#secrets.get(path) ?? { versions: [], createdAt: now, updatedAt: now };
    secret.versions.push({ data: structuredClone(data), createdAt: now, deletedAt: null, destroyed: false });
    secret.updatedAt = now;
    this.#secrets.set(path, secret);
    return secret.versions.length;
  }

  /** Deletes one version, the latest unless said otherwise; `undelete` brings it back. */
  delete(path: string, version?: number): void {
    this.#version(path, version).deletedAt = this.#clock();
  }

  undelete(path: string, version?: number): void {
    this.#version(path, version).deletedAt = null;
  }

  /** Deletes one version for good. */
  destroy(path: string, version?: number): void {
    const found = this.#version(path, version);
    found.data = null;
    found.destroyed = true;
  }

  /** Removes the secret with all its versions; the next write is version 1 again. */
  remove(path: string): void {
    this.#secrets.delete(path);
  }

  /** Answers `GET data/<path>[?version=N]`; 0 is the latest. */
  read(path: string, asked: number): VaultAnswer {
    const secret = this.#secrets.get(path);
    const version = asked === 0 ? (secret?.versions.length ?? 0) : asked;
    const found = secret?.versions[version - 1];
    if (found === undefined) return nothingThere;
    const gone = found.destroyed || found.deletedAt !== null;
    const data = { data: gone ? null : found.data, metadata: metadata(found, version) };
    return envelope({ data }, this.#mountType, gone ? 404 : 200);
  }

  /** Answers `POST data/<path>` with `{"data":{},"options":{"cas":N}}`. */
  write(path: string, body: Readonly<Record<string, unknown>>): VaultAnswer {
    const { data, options } = body as { data?: Record<string, unknown>; options?: { cas?: number } };
    if (data === undefined) return errors(400, "no data provided");
    const current = this.#secrets.get(path)?.versions.length ?? 0;
    if (options?.cas !== undefined && options.cas !== current) {
      return errors(400, "check-and-set parameter did not match the current version");
    }
    const version = this.put(path, data);
    return envelope({ data: metadata(this.#version(path, version), version) }, this.#mountType);
  }

  /** Answers `GET metadata/<path>`. */
  readMetadata(path: string): VaultAnswer {
    const secret = this.#secrets.get(path);
    if (secret === undefined) return nothingThere;
    const versions = secret.versions.map((version, index) => {
      const { created_time, deletion_time, destroyed } = metadata(version, index + 1);
      return [String(index + 1), { created_time, deletion_time, destroyed }] as const;
    });
    const data = {
      cas_required: false,
      created_time: time(secret.createdAt),
      current_version: secret.versions.length,
      custom_metadata: null,
      delete_version_after: "0s",
      max_versions: 0,
      oldest_version: 0,
      updated_time: time(secret.updatedAt),
      versions: Object.fromEntries(versions),
    };
    return envelope({ data }, this.#mountType);
  }

  /** Answers `GET metadata/<folder>?list=true`: names below the folder, folders with a slash. */
  list(folder: string): VaultAnswer {
    const prefix = folder === "" || folder.endsWith("/") ? folder : `${folder}/`;
    const below = [...this.#secrets.keys()].filter((path) => path.startsWith(prefix));
    const keys = new Set(below.map((path) => path.slice(prefix.length).replace(/\/.*$/, "/")));
    if (keys.size === 0) return nothingThere;
    return envelope({ data: { keys: [...keys].sort() } }, this.#mountType);
  }

  #version(path: string, asked?: number): Version {
    const versions = this.#secrets.get(path)?.versions ?? [];
    const version = versions[(asked ?? versions.length) - 1];
    if (version === undefined) throw new Error(`the Vault double has no such version of ${path}`);
    return version;
  }
}

function metadata(version: Version, number: number) {
  return {
    created_time: time(version.createdAt),
    custom_metadata: null,
    deletion_time: version.deletedAt === null ? "" : time(version.deletedAt),
    destroyed: version.destroyed,
    version: number,
  };
}

/** Vault writes nanoseconds. */
function time(ms: number): string {
  return new Date(ms).toISOString().replace("Z", "000000Z");
}
