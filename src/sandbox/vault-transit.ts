import { createHmac, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { envelope, errors, nothingThere, unsupportedOperation, type VaultAnswer } from "./vault-answer.ts";

type KeyType = "ed25519" | "hmac" | "aes256-gcm96";

type Version = { readonly createdAt: number; readonly secret: Buffer; readonly pair: KeyObject };

type TransitKey = {
  readonly type: KeyType;
  readonly versions: Version[];
  minDecryption: number;
  /** 0: that of decryption. */
  minEncryption: number;
};

type Body = Readonly<Record<string, unknown>>;

/** The Transit engine: Ed25519 signatures and HMACs by keys with versions, as both servers answer. */
export class VaultTransit {
  readonly #keys = new Map<string, TransitKey>();
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  create(name: string, type: KeyType): void {
    this.#keys.set(name, { type, versions: [], minDecryption: 1, minEncryption: 0 });
    this.rotate(name);
  }

  /** Returns the number of the new version. */
  rotate(name: string): number {
    const version = {
      createdAt: this.#clock(),
      secret: randomBytes(32),
      pair: generateKeyPairSync("ed25519").privateKey,
    };
    return this.#key(name).versions.push(version);
  }

  /** `POST keys/<name>/config`: below them nothing is decrypted or verified, encrypted or signed. */
  configure(name: string, config: { minDecryption?: number; minEncryption?: number }): void {
    Object.assign(this.#key(name), config);
  }

  /** Answers what lies below the mount. */
  answer(method: string, path: string, body: Body): VaultAnswer {
    const [kind = "", name = "", ...rest] = path.split("/");
    const key = this.#keys.get(name);
    const isWrite = method === "POST" || method === "PUT";
    if (kind === "keys" && method === "GET" && rest.length === 0) return this.#read(name, key);
    if (!isWrite) return unsupportedOperation;
    if (kind === "sign") return key === undefined ? errors(400, "signing key not found") : signed(key, body);
    if (kind !== "hmac") return unsupportedOperation;
    return key === undefined ? errors(400, "encryption key not found") : hmacs(key, rest[0], body);
  }

  #read(name: string, key: TransitKey | undefined): VaultAnswer {
    if (key === undefined) return nothingThere;
    const { type, versions, minDecryption, minEncryption } = key;
    const shown = versions.map((version, index) => [index + 1, version] as const).slice(minDecryption - 1);
    const publicKey = ({ pair }: Version) => {
      const { x = "" } = pair.export({ format: "jwk" });
      return Buffer.from(x, "base64url").toString("base64");
    };
    const asymmetric = ([number, version]: readonly [number, Version]) => [
      number,
      {
        certificate_chain: "",
        creation_time: new Date(version.createdAt).toISOString().replace("Z", "123456Z"),
        name: "ed25519",
        public_key: publicKey(version),
      },
    ];
    const keys =
      type === "ed25519"
        ? shown.map(asymmetric)
        : shown.map(([number, { createdAt }]) => [number, Math.floor(createdAt / 1000)]);
    const data = {
      allow_plaintext_backup: false,
      auto_rotate_period: 0,
      deletion_allowed: false,
      derived: false,
      exportable: false,
      imported_key: false,
      // HMAC keys are listed by neither server.
      ...(type !== "hmac" && { keys: Object.fromEntries(keys) }),
      latest_version: versions.length,
      min_available_version: 0,
      min_decryption_version: minDecryption,
      min_encryption_version: minEncryption,
      name,
      supports_decryption: type === "aes256-gcm96",
      supports_derivation: type !== "hmac",
      supports_encryption: type === "aes256-gcm96",
      supports_signing: type === "ed25519",
      type,
    };
    return envelope({ data });
  }

  #key(name: string): TransitKey {
    const key = this.#keys.get(name);
    if (key === undefined) throw new Error(`the Vault double has no Transit key ${name}`);
    return key;
  }
}

function signed(key: TransitKey, body: Body): VaultAnswer {
  if (key.type !== "ed25519") return errors(400, `key type ${key.type} does not support signing`);
  return each(body, (version, input) => {
    const number = version || key.versions.length;
    if (number > key.versions.length)
      return "requested version for signing is higher than the latest key version";
    if (number < Math.max(key.minEncryption, key.minDecryption))
      return "requested version for signing is less than the minimum encryption key version";
    const signature = sign(null, input, key.versions[number - 1]!.pair).toString("base64");
    return { key_version: number, signature: `vault:v${number}:${signature}` };
  });
}

function hmacs(key: TransitKey, algorithm: string | undefined, body: Body): VaultAnswer {
  if ((algorithm ?? "sha2-256") !== "sha2-256") return errors(400, `unsupported algorithm "${algorithm}"`);
  const number = Number(body["key_version"] ?? 0) || key.versions.length;
  const version = key.versions[number - 1];
  if (version === undefined)
    return errors(400, `key version does not exist; latest key version is ${key.versions.length}`);
  if (number < Math.max(key.minEncryption, key.minDecryption))
    return errors(400, "cannot generate HMAC: version is too old (disallowed by policy)");
  return each(body, (_, input) => {
    const mac = createHmac("sha256", version.secret).update(input).digest("base64");
    return { hmac: `vault:v${number}:${mac}` };
  });
}

/** One input, or a batch, in which each item has its own error. */
function each(
  body: Body,
  make: (version: number, input: Buffer) => Record<string, unknown> | string,
): VaultAnswer {
  const version = Number(body["key_version"] ?? 0);
  const batch = body["batch_input"];
  if (batch === undefined) {
    const made = make(version, Buffer.from(String(body["input"] ?? ""), "base64"));
    return typeof made === "string" ? errors(400, made) : envelope({ data: made });
  }
  if (!Array.isArray(batch) || batch.length === 0) return errors(400, "missing batch input to process");
  const results = (batch as { input?: string }[]).map(({ input }) => {
    const made = input === undefined ? "missing input" : make(version, Buffer.from(input, "base64"));
    return typeof made === "string" ? { error: made } : made;
  });
  return envelope({ data: { batch_results: results } });
}
