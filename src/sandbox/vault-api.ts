import {
  deadToken,
  envelope,
  errors,
  noNamespace,
  noRoute,
  nothingThere,
  permissionDenied,
  policyDenial,
  sealedAnswer,
  unsupportedOperation,
  type VaultAnswer,
} from "./vault-answer.ts";
import type { VaultKv } from "./vault-kv.ts";
import type { VaultLogins } from "./vault-logins.ts";
import type { VaultTokens } from "./vault-tokens.ts";
import type { VaultTransit } from "./vault-transit.ts";

export type VaultCall = {
  readonly method: string;
  /** Below /v1, decoded, without a slash in front. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
};

/** May be changed while the double runs. */
export type VaultCondition = {
  sealed: boolean;
  initialized: boolean;
  /** A standby that does not forward answers 307 with this node's address. */
  activeNode: string | undefined;
  /** Answers 429 to everything but the system's own paths. */
  overQuota: boolean;
  /** What the tokens may touch, besides themselves: paths below /v1, `*` at the end for all below. */
  policy: string[];
  /** Whether the tokens may renew themselves, as the default policy allows. */
  renewable: boolean;
};

type Deps = {
  readonly mount: string;
  /** The only namespace there is, where one is given. */
  readonly namespace: string | undefined;
  readonly flavour: VaultFlavour;
  /** Of the engine at the mount: version 1 answers a version 2 path as if nothing were there. */
  readonly kvVersion: 1 | 2;
  readonly kubernetes: boolean;
  readonly kv: VaultKv;
  readonly transit: { readonly mount: string; readonly engine: VaultTransit };
  readonly tokens: VaultTokens;
  readonly logins: VaultLogins;
  readonly condition: VaultCondition;
  readonly clock: () => number;
};

/** Whose answers it gives where the two differ. */
export type VaultFlavour = "vault" | "openbao";

const versions = { vault: "1.21.4", openbao: "2.5.5" } as const;

/** Which answer a call gets, in the order in which Vault decides. */
export class VaultApi {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  answer(call: VaultCall): VaultAnswer {
    const { condition, namespace, logins, tokens, flavour, kubernetes } = this.#deps;
    const { path } = call;
    if (path === "sys/health") return this.#health(call.query);
    if (path === "sys/seal-status") return this.#sealStatus();
    if (condition.sealed) return sealedAnswer;
    if (condition.activeNode !== undefined) {
      return { status: 307, headers: { Location: `${condition.activeNode}/v1/${path}` } };
    }
    if (condition.overQuota) return errors(429, "request path rate limit quota exceeded");
    if (namespace !== undefined && call.namespace?.replace(/\/$/, "") !== namespace) {
      return flavour === "openbao" ? noNamespace : permissionDenied;
    }
    if (path === "auth/approle/login") return this.#login(call, () => logins.loginAppRole(call.body));
    if (path === "auth/kubernetes/login" && kubernetes) {
      return this.#login(call, () => logins.loginKubernetes(call.body));
    }
    if (call.token === undefined) return permissionDenied;
    if (path === "sys/wrapping/unwrap") return this.#write(call, () => tokens.unwrap(call.token ?? ""));
    if (!tokens.use(call.token)) return deadToken[flavour];
    return this.#withToken(call, call.token);
  }

  #withToken(call: VaultCall, token: string): VaultAnswer {
    const { mount, tokens, kv, condition } = this.#deps;
    const { path } = call;
    if (path === "auth/token/lookup-self") return tokens.lookupSelf(token);
    if (path === "auth/token/renew-self") {
      if (!condition.renewable) return policyDenial;
      return this.#write(call, () => tokens.renewSelf(token, call.body["increment"]));
    }
    if (path === `sys/internal/ui/mounts/${mount}`) return this.#mount();
    if (!this.#allowed(path)) return policyDenial;
    const { transit } = this.#deps;
    if (path.startsWith(`${transit.mount}/`)) {
      return transit.engine.answer(call.method, path.slice(transit.mount.length + 1), call.body);
    }
    if (!path.startsWith(`${mount}/`)) return noRoute(path);
    if (this.#deps.kvVersion === 1) return nothingThere;
    const [kind, ...rest] = path.slice(mount.length + 1).split("/");
    const secret = rest.join("/");
    if (kind === "data" && call.method === "GET") {
      return kv.read(secret, Number(call.query.get("version") ?? 0));
    }
    if (kind === "data") return this.#write(call, () => kv.write(secret, call.body));
    if (kind !== "metadata" || call.method !== "GET") return unsupportedOperation;
    return call.query.has("list") ? kv.list(secret) : kv.readMetadata(secret);
  }

  /** A login is an update: a read of the path is an internal error of the login method. */
  #login(call: VaultCall, answer: () => VaultAnswer): VaultAnswer {
    if (call.method === "POST" || call.method === "PUT") return answer();
    return errors(500, "1 error occurred:\n\t* internal error\n\n");
  }

  #mount(): VaultAnswer {
    const { mount, kvVersion } = this.#deps;
    if (!this.#deps.condition.policy.some((rule) => rule.startsWith(`${mount}/`) || rule === "*")) {
      return permissionDenied;
    }
    const data = { type: "kv", path: `${mount}/`, options: { version: String(kvVersion) } };
    return envelope({ data }, this.#deps.flavour === "vault" ? "system" : undefined);
  }

  #write(call: VaultCall, answer: () => VaultAnswer): VaultAnswer {
    return call.method === "POST" || call.method === "PUT" ? answer() : unsupportedOperation;
  }

  #allowed(path: string): boolean {
    return this.#deps.condition.policy.some((rule) =>
      rule.endsWith("*") ? path.startsWith(rule.slice(0, -1)) : path === rule,
    );
  }

  #health(query: URLSearchParams): VaultAnswer {
    const { sealed, initialized, activeNode } = this.#deps.condition;
    const standby = !sealed && activeNode !== undefined;
    const code = (name: string, usual: number) => Number(query.get(name) ?? usual);
    const standbyStatus = query.has("standbyok") ? 200 : code("standbycode", 429);
    let status = standby ? standbyStatus : code("activecode", 200);
    if (sealed) status = code("sealedcode", 503);
    if (!initialized) status = code("uninitcode", 501);
    const cluster = { cluster_name: "vault-double", cluster_id: "4b7c3f0e-2a0d-4c39-9d0e-6f1a2b3c4d5e" };
    const body = {
      initialized,
      sealed,
      standby,
      performance_standby: false,
      replication_performance_mode: "disabled",
      replication_dr_mode: "disabled",
      server_time_utc: Math.floor(this.#deps.clock() / 1000),
      version: versions[this.#deps.flavour],
      ...(!sealed && cluster),
    };
    return { status, body };
  }

  #sealStatus(): VaultAnswer {
    const { sealed, initialized } = this.#deps.condition;
    const body = { type: "shamir", initialized, sealed, t: 3, n: 5, progress: 0, nonce: "" };
    return { status: 200, body: { ...body, version: versions[this.#deps.flavour] } };
  }
}
