import { errors, permissionDenied, type VaultAnswer } from "./vault-answer.ts";
import type { TokenSpec, VaultTokens } from "./vault-tokens.ts";

/** Vault's defaults for user lockout, which counts AppRole logins by role id. */
const lockoutAfter = 5;
const lockoutMs = 15 * 60_000;

export type AppRole = {
  roleId: string;
  /** Those that are valid; may be changed while the double runs. */
  secretIds: Set<string>;
  /** Vault's own default is 768 h. */
  token: TokenSpec;
};

export type KubernetesRole = {
  role: string;
  /** The service account tokens that are bound to the role. */
  jwts: Set<string>;
  token: TokenSpec;
};

type LoginBody = Readonly<Record<string, unknown>>;

/** The login methods `approle` and `kubernetes`. */
export class VaultLogins {
  readonly appRole: AppRole;
  readonly kubernetesRole: KubernetesRole;
  readonly #tokens: VaultTokens;
  readonly #clock: () => number;
  readonly #failed = new Map<string, { count: number; lastAt: number }>();

  constructor(
    roles: { appRole: AppRole; kubernetesRole: KubernetesRole },
    tokens: VaultTokens,
    clock: () => number,
  ) {
    this.appRole = roles.appRole;
    this.kubernetesRole = roles.kubernetesRole;
    this.#tokens = tokens;
    this.#clock = clock;
  }

  loginAppRole(body: LoginBody): VaultAnswer {
    const { role_id: roleId, secret_id: secretId } = body;
    if (typeof roleId !== "string" || roleId === "") {
      // Vault looks the role up before the method checks the call, and takes the failure for its own.
      return errors(500, "1 error occurred:\n\t* missing role_id\n\n");
    }
    if (this.#lockedOut(roleId)) return permissionDenied;
    const { appRole } = this;
    if (roleId === appRole.roleId && (typeof secretId !== "string" || secretId === "")) {
      return errors(400, "missing secret_id");
    }
    if (roleId !== appRole.roleId || typeof secretId !== "string" || !appRole.secretIds.has(secretId)) {
      this.#fail(roleId);
      return errors(400, "invalid role or secret ID");
    }
    this.#failed.delete(roleId);
    return this.#tokens.login(appRole.token, { role_name: "signature-router" }, "approle");
  }

  loginKubernetes(body: LoginBody): VaultAnswer {
    const { role, jwt } = body;
    const { kubernetesRole } = this;
    if (typeof jwt !== "string" || jwt === "") return errors(400, "missing jwt");
    if (role !== kubernetesRole.role) return errors(400, `invalid role name "${String(role)}"`);
    if (!kubernetesRole.jwts.has(jwt)) return permissionDenied;
    const metadata = {
      role: kubernetesRole.role,
      service_account_name: "signature-router",
      service_account_namespace: "payments",
      service_account_uid: "d77f89bc-9055-11e7-a068-0800276d99bf",
    };
    return this.#tokens.login(kubernetesRole.token, metadata, "kubernetes");
  }

  #lockedOut(roleId: string): boolean {
    const failed = this.#failed.get(roleId);
    if (failed === undefined) return false;
    if (this.#clock() - failed.lastAt >= lockoutMs) this.#failed.delete(roleId);
    return this.#failed.has(roleId) && failed.count >= lockoutAfter;
  }

  #fail(roleId: string): void {
    const count = (this.#failed.get(roleId)?.count ?? 0) + 1;
    this.#failed.set(roleId, { count, lastAt: this.#clock() });
  }
}
