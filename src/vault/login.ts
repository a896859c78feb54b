import { readFile } from "node:fs/promises";
import { checkedMount } from "./address.ts";
import type { VaultClient } from "./vault-client.ts";
import { isRecord, VaultError } from "./vault-error.ts";

export type VaultAuth =
  | {
      readonly kind: "approle";
      readonly roleId: string;
      readonly secretId: string;
      /** The secret id is a response-wrapping token, to be unwrapped once. */
      readonly wrapped?: boolean;
      /** Default `approle`. */
      readonly mountPoint?: string;
    }
  | { readonly kind: "token"; readonly token: string }
  | {
      readonly kind: "kubernetes";
      readonly role: string;
      /** Default: where Kubernetes mounts the service account's token. */
      readonly jwtPath?: string;
      /** Default `kubernetes`. */
      readonly mountPoint?: string;
    };

/** A token and how long it lives. */
export interface GrantedToken {
  readonly token: string;
  /** 0: it does not expire. */
  readonly leaseSeconds: number;
  readonly renewable: boolean;
  /** False where Vault did not say that it knows the token. */
  readonly proven: boolean;
  /** What will need somebody's hand later. */
  readonly notices: readonly string[];
}

/** @throws VaultError login_failed where Vault refuses, other reasons where it could not be asked */
export type Login = (signal: AbortSignal) => Promise<GrantedToken>;

const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** @param client without a token */
export function createLogin(auth: VaultAuth, client: VaultClient): Login {
  switch (auth.kind) {
    case "approle":
      return appRoleLogin(auth, client);
    case "token":
      return presetToken(auth.token.trim(), client);
    case "kubernetes":
      return kubernetesLogin(auth, client);
  }
}

function appRoleLogin(auth: Extract<VaultAuth, { kind: "approle" }>, client: VaultClient): Login {
  const mount = checkedMount(auth.mountPoint ?? "approle");
  const given = auth.secretId.trim();
  let secretId: SecretId | undefined = auth.wrapped === true ? undefined : { id: given, uses: 0 };
  return async (signal) => {
    // Kept for later logins: a wrapping token opens once.
    secretId ??= await unwrapped(given, client, signal);
    const granted = await logIn(
      client,
      mount,
      { role_id: auth.roleId.trim(), secret_id: secretId.id },
      signal,
    );
    return secretId.uses === 0
      ? granted
      : { ...granted, notices: [...granted.notices, fewUses(secretId.uses)] };
  };
}

interface SecretId {
  readonly id: string;
  /** Logins that it is good for; 0: any number, or not known, since only the unwrapping tells. */
  readonly uses: number;
}

function fewUses(uses: number): string {
  return `the secret id is good for ${uses} login${uses === 1 ? "" : "s"} in all: set secret_id_num_uses=0 on the role, or the service cannot log in again once its token ends`;
}

async function unwrapped(wrappingToken: string, client: VaultClient, signal: AbortSignal): Promise<SecretId> {
  const answer = await refusedAsLoginFailed(
    client.withToken(wrappingToken).write("sys/wrapping/unwrap", {}, signal),
    "the wrapped secret id was already unwrapped or has expired; unless this service did that, treat it as stolen",
  );
  const data = isRecord(answer) ? answer["data"] : undefined;
  const secretId = isRecord(data) ? data["secret_id"] : undefined;
  const uses = isRecord(data) ? data["secret_id_num_uses"] : undefined;
  if (typeof secretId === "string" && secretId !== "") {
    return { id: secretId, uses: typeof uses === "number" ? uses : 0 };
  }
  throw new VaultError("login_failed", "what was unwrapped holds no secret_id");
}

function kubernetesLogin(auth: Extract<VaultAuth, { kind: "kubernetes" }>, client: VaultClient): Login {
  const mount = checkedMount(auth.mountPoint ?? "kubernetes");
  const path = auth.jwtPath ?? serviceAccountToken;
  return async (signal) => {
    // Read for each login: Kubernetes rotates the file.
    const jwt = await readFile(path, { encoding: "utf8", signal }).catch(() => {
      signal.throwIfAborted();
      throw new VaultError("login_failed", `the service account token ${path} cannot be read`);
    });
    return logIn(client, mount, { role: auth.role, jwt: jwt.trim() }, signal);
  };
}

async function logIn(
  client: VaultClient,
  mount: string,
  credentials: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<GrantedToken> {
  const path = `auth/${mount}/login`;
  const answer = await refusedAsLoginFailed(
    client.write(path, credentials, signal),
    `Vault refused the login at ${path}`,
  );
  return grantedToken(answer, path);
}

/** There is nothing to log in with: the token is looked up, to learn how long it lives. */
function presetToken(token: string, client: VaultClient): Login {
  return async (signal) => {
    const path = "auth/token/lookup-self";
    try {
      const answer = await client.withToken(token).read(path, signal);
      const data = isRecord(answer) && isRecord(answer["data"]) ? answer["data"] : {};
      const { ttl, renewable } = data;
      const leaseSeconds = typeof ttl === "number" ? ttl : 0;
      return { token, leaseSeconds, renewable: renewable === true, proven: true, notices: usesOf(data) };
    } catch (error) {
      if (!(error instanceof VaultError) || error.reason !== "denied") throw error;
      if (error.invalidToken) throw new VaultError("login_failed", "the Vault token is expired or revoked");
      // A policy without lookup-self, or OpenBao, which does not tell a dead token from one: the next call shows.
      return { token, leaseSeconds: 0, renewable: false, proven: false, notices: [] };
    }
  };
}

/**
 * The token in the answer to a login or a renewal.
 * @throws VaultError login_failed where there is none, as where a second factor is asked for
 */
export function grantedToken(answer: unknown, path: string): GrantedToken {
  const auth = isRecord(answer) ? answer["auth"] : undefined;
  const token = isRecord(auth) ? auth["client_token"] : undefined;
  if (!isRecord(auth) || typeof token !== "string" || token === "") {
    throw new VaultError("login_failed", `Vault's answer to ${path} holds no token`);
  }
  const { lease_duration: leaseSeconds, renewable } = auth;
  return {
    token,
    leaseSeconds: typeof leaseSeconds === "number" ? leaseSeconds : 0,
    renewable: renewable === true,
    proven: true,
    notices: usesOf(auth),
  };
}

function usesOf({ num_uses: uses }: Readonly<Record<string, unknown>>): string[] {
  if (typeof uses !== "number" || uses <= 0) return [];
  return [`the Vault token is good for ${uses} calls and each read is one: set token_num_uses=0 on the role`];
}

/** A 4xx is an answer about our credentials; repeating it locks the role out after five. */
async function refusedAsLoginFailed(answer: Promise<unknown>, message: string): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof VaultError) || error.transient) throw error;
    const { status = 0 } = error;
    // What the address or the namespace is to blame for says so itself.
    if (status < 400 || error.explained) throw error;
    throw new VaultError("login_failed", `${message} (status ${status})`, { status });
  }
}
