import { randomUUID } from "node:crypto";

export type VaultAnswer = {
  readonly status: number;
  /** 204 has none. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

/** What HashiCorp's Vault adds to every answer with data since 2024; OpenBao adds nothing. */
export type MountType = "kv" | "approle" | "kubernetes" | "token" | "system" | undefined;

/** A 200, or another status that carries data, in the envelope of every answer. */
export function envelope(
  content: { data?: unknown; auth?: unknown },
  mountType?: MountType,
  status = 200,
): VaultAnswer {
  return {
    status,
    body: {
      request_id: randomUUID(),
      lease_id: "",
      renewable: false,
      lease_duration: 0,
      data: content.data ?? null,
      wrap_info: null,
      warnings: null,
      auth: content.auth ?? null,
      ...(mountType !== undefined && { mount_type: mountType }),
    },
  };
}

export function errors(status: number, ...texts: string[]): VaultAnswer {
  return { status, body: { errors: texts } };
}

export const sealedAnswer = errors(503, "Vault is sealed");
/** A policy allows the token something, but not this. */
export const policyDenial = errors(403, "1 error occurred:\n\t* permission denied\n\n");
/** The token is expired, revoked or was never issued. */
export const invalidToken = errors(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
/** OpenBao does not tell a dead token from a missing one. */
export const deadToken = { vault: invalidToken, openbao: errors(403, "permission denied") } as const;
/** No token, a locked role, or a service account that is not bound to the role. */
export const permissionDenied = errors(403, "permission denied");
export const unsupportedOperation = errors(405, "1 error occurred:\n\t* unsupported operation\n\n");
export const nothingThere = errors(404);

/** OpenBao's, for X-Vault-Namespace. */
export const noNamespace = errors(404, "namespace not found");

/** @param path below /v1 */
export function noRoute(path: string): VaultAnswer {
  return errors(404, `no handler for route "${path}". route entry not found.`);
}
