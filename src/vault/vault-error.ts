/** Every way in which Vault can fail us. The set is closed. */
export type VaultReason =
  | "unreachable"
  | "timeout"
  | "sealed"
  | "denied"
  | "login_failed"
  | "token_ends"
  | "missing_secret"
  | "invalid";

export interface VaultErrorDetails {
  /** The HTTP status, where there was an answer. */
  readonly status?: number;
  /** The token is expired, revoked or unknown, as opposed to a policy that does not allow the path. */
  readonly invalidToken?: boolean;
  /** The message names what to change, whatever was asked for. */
  readonly explained?: boolean;
}

/**
 * A fault of Vault or of what it holds. Its message names paths, statuses and fields, never a value, and it
 * carries no cause: what lies below holds tokens and ids (an AxiosError prints X-Vault-Token).
 */
export class VaultError extends Error {
  override readonly name = "VaultError";
  readonly reason: VaultReason;
  readonly status: number | undefined;
  readonly invalidToken: boolean;
  readonly explained: boolean;

  constructor(reason: VaultReason, message: string, details: VaultErrorDetails = {}) {
    super(message);
    this.reason = reason;
    this.status = details.status;
    this.invalidToken = details.invalidToken ?? false;
    this.explained = details.explained ?? false;
  }

  /** Whether the same call may go well later without anybody changing anything. */
  get transient(): boolean {
    return this.reason === "unreachable" || this.reason === "timeout" || this.reason === "sealed";
  }
}

/** Turns whatever was thrown into a VaultError that holds nothing of it. */
export function asVaultError(thrown: unknown): VaultError {
  return thrown instanceof VaultError ? thrown : new VaultError("invalid", "the call to Vault failed");
}

/**
 * What an answer of an error status means. The texts are those of Vault and OpenBao; only Vault's "invalid
 * token" sets a dead token apart from a policy.
 * @param path below /v1, as it may be shown
 */
export function answerFault(status: number, body: unknown, path: string): VaultError {
  const errors = errorTexts(body);
  const says = (text: string) => errors.some((error) => error.includes(text));
  if (status >= 300 && status < 400) {
    const advice = "redirects are not followed: VAULT_ADDR must lead to the active node";
    return new VaultError("unreachable", `Vault answered ${path} with a redirect (${status}); ${advice}`, {
      status,
    });
  }
  if (status === 503 && says("sealed")) return new VaultError("sealed", "Vault is sealed", { status });
  if (status === 403) {
    const invalidToken = says("invalid token");
    const why = invalidToken ? "the token is expired or revoked" : "permission denied";
    return new VaultError("denied", `Vault refused ${path}: ${why}`, { status, invalidToken });
  }
  if (status === 404 && says("namespace not found")) {
    return new VaultError("invalid", "Vault knows no such namespace: see VAULT_NAMESPACE", {
      ...{ status, explained: true },
    });
  }
  if (status === 404) return new VaultError("missing_secret", missing(body, errors, path), { status });
  // 412 is a replica that has not caught up, 429 a quota: both pass.
  if (status >= 500 || status === 412 || status === 429) {
    return new VaultError("unreachable", `Vault answered ${path} with status ${status}`, { status });
  }
  return new VaultError("invalid", `Vault did not accept ${path} (status ${status})`, { status });
}

function missing(body: unknown, errors: readonly string[], path: string): string {
  if (errors.some((error) => error.startsWith("no handler for route"))) {
    return `Vault has nothing mounted at ${path}`;
  }
  // KV v2 answers a deleted or destroyed version with 404 and the version's metadata.
  const deleted = isRecord(body) && isRecord(body["data"]) && isRecord(body["data"]["metadata"]);
  return deleted ? `the latest version of ${path} is deleted` : `Vault has no secret at ${path}`;
}

function errorTexts(body: unknown): string[] {
  const errors = isRecord(body) ? body["errors"] : undefined;
  return Array.isArray(errors) ? errors.filter((error) => typeof error === "string") : [];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
