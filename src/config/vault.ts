import type { Environment } from "./environment.ts";
import type { Secret } from "./secret.ts";

export type VaultLogin =
  | {
      readonly kind: "approle";
      readonly roleId: string;
      readonly secretId: Secret;
      /** VAULT_SECRET_ID is a response-wrapping token around the secret id. */
      readonly wrapped: boolean;
    }
  | { readonly kind: "token"; readonly token: Secret }
  | { readonly kind: "kubernetes"; readonly role: string };

export interface TransitConfig {
  readonly mount: string;
  /** Name of the Ed25519 key that signs receipts, seals, checkpoints and packs; undefined: the receipt ring does. */
  readonly receiptKey: string | undefined;
  /** Name of the HMAC key that codes are derived by; undefined: the peppers of the ring. */
  readonly codeKey: string | undefined;
  /** Of each call, connection and repetition included. */
  readonly timeoutMs: number;
}

export interface VaultConfig {
  readonly addr: string;
  readonly namespace: string | undefined;
  readonly mount: string;
  readonly caFile: string | undefined;
  readonly login: VaultLogin;
  /** Undefined: no key of Transit is used. */
  readonly transit: TransitConfig | undefined;
  /** Between two looks for new versions. */
  readonly pollMs: number;
}

const logins = ["VAULT_ROLE_ID and VAULT_SECRET_ID", "VAULT_TOKEN", "VAULT_K8S_ROLE"] as const;

/** Undefined where there is no VAULT_ADDR: then the other variables are faults. */
export function readVault(env: Environment): VaultConfig | undefined {
  const addr = env.url("VAULT_ADDR");
  const roleId = env.text("VAULT_ROLE_ID");
  const secretId = env.secret("VAULT_SECRET_ID");
  const token = env.secret("VAULT_TOKEN");
  const role = env.text("VAULT_K8S_ROLE");
  const wrapped = env.oneOf("VAULT_SECRET_ID_WRAPPED", ["true", "false"], "false") === "true";
  const rest = {
    namespace: env.text("VAULT_NAMESPACE"),
    mount: env.text("VAULT_KV_MOUNT") ?? "secret",
    caFile: env.text("VAULT_CACERT"),
    transit: readTransit(env),
    pollMs: env.number("VAULT_POLL_SECONDS", 60, 0.1, 3600) * 1000,
  };
  if (env.text("VAULT_SKIP_VERIFY") !== undefined) {
    env.fault("VAULT_SKIP_VERIFY", "is not supported: give the authority in VAULT_CACERT");
  }
  const approle = roleId !== undefined || secretId !== undefined;
  const given = [approle, token !== undefined, role !== undefined].filter(Boolean).length;
  if (env.text("VAULT_ADDR") === undefined) {
    if (rest.transit !== undefined) env.fault("VAULT_ADDR", "is missing beside VAULT_TRANSIT_*");
    if (given > 0) env.fault("VAULT_ADDR", `is missing beside ${logins.join(" or ")}`);
    return undefined;
  }
  if (given !== 1) env.fault("VAULT_ADDR", `needs exactly one of ${logins.join(", ")}`);
  if (approle && (roleId === undefined || secretId === undefined)) {
    env.fault(logins[0], "must be set together");
  }
  if (addr === undefined || given !== 1) return undefined;
  if (token !== undefined) return { addr, ...rest, login: { kind: "token", token } };
  if (role !== undefined) return { addr, ...rest, login: { kind: "kubernetes", role } };
  if (roleId === undefined || secretId === undefined) return undefined;
  return { addr, ...rest, login: { kind: "approle", roleId, secretId, wrapped } };
}

const keyNames = ["VAULT_TRANSIT_RECEIPT_KEY", "VAULT_TRANSIT_CODE_KEY"] as const;

function readTransit(env: Environment): TransitConfig | undefined {
  const mount = env.text("VAULT_TRANSIT_MOUNT");
  const timeoutMs = env.number("VAULT_TRANSIT_TIMEOUT_SECONDS", 1, 0.1, 10) * 1000;
  const [receiptKey, codeKey] = keyNames.map((name) => {
    const key = env.text(name);
    if (key !== undefined && !/^[A-Za-z0-9][\w.-]{0,63}$/.test(key)) {
      env.fault(name, "must be 1 to 64 letters, digits, dots, dashes and underscores");
    }
    return key;
  });
  if (receiptKey !== undefined || codeKey !== undefined) {
    return { mount: mount ?? "transit", receiptKey, codeKey, timeoutMs };
  }
  for (const name of ["VAULT_TRANSIT_MOUNT", "VAULT_TRANSIT_TIMEOUT_SECONDS"]) {
    if (env.text(name) !== undefined) env.fault(name, `needs ${keyNames.join(" or ")}`);
  }
  return undefined;
}
