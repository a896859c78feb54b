import { randomBytes, randomUUID } from "node:crypto";
import { envelope, errors, type MountType, type VaultAnswer } from "./vault-answer.ts";

export type TokenSpec = {
  /** 0: never expires, as a root token. */
  readonly ttlSeconds: number;
  /** From the creation on, over all renewals; 0: no such limit. */
  readonly maxTtlSeconds?: number;
  readonly type?: "service" | "batch";
  readonly renewable?: boolean;
  /** Calls that it is good for; 0: any number. */
  readonly numUses?: number;
  /** Fixed, where a test needs to know it. */
  readonly id?: string;
};

type Token = {
  readonly id: string;
  readonly accessor: string;
  readonly spec: TokenSpec;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: number;
  /** Milliseconds; infinite where it never expires. */
  expiresAt: number;
  /** Infinite where they are not counted. */
  usesLeft: number;
};

type Wrapped = { readonly answer: VaultAnswer; readonly expiresAt: number };

const policies = ["default", "signature-router"];

/** The tokens that were issued and still live by the double's clock. */
export class VaultTokens {
  readonly #clock: () => number;
  readonly #namesMounts: boolean;
  readonly #tokens = new Map<string, Token>();
  readonly #wrapped = new Map<string, Wrapped>();

  /** @param namesMounts whether answers carry mount_type */
  constructor(clock: () => number, namesMounts = true) {
    this.#clock = clock;
    this.#namesMounts = namesMounts;
  }

  /** Issues a token and answers as a login does. */
  login(
    spec: TokenSpec,
    metadata: Readonly<Record<string, string>>,
    method: "approle" | "kubernetes",
  ): VaultAnswer {
    return this.#authAnswer(this.#issue(spec, metadata), method);
  }

  /** Issues a token without a login. */
  issue(spec: TokenSpec): string {
    return this.#issue(spec, {}).id;
  }

  valid(id: string): boolean {
    return this.#live(id) !== undefined;
  }

  /** Whether it is valid for the call that is being made, which is counted. */
  use(id: string): boolean {
    const token = this.#live(id);
    if (token !== undefined) token.usesLeft -= 1;
    return token !== undefined;
  }

  revoke(id: string): void {
    this.#tokens.delete(id);
  }

  revokeAll(): void {
    this.#tokens.clear();
  }

  /** Answers renew-self: the lease shrinks as the token nears its maximum life. */
  renewSelf(id: string, increment: unknown): VaultAnswer {
    const token = this.#tokens.get(id);
    if (token?.spec.type === "batch") return errors(400, "batch tokens cannot be renewed");
    if (token === undefined || !isRenewable(token.spec)) return errors(400, "lease is not renewable");
    const { ttlSeconds, maxTtlSeconds = 0 } = token.spec;
    const wanted = this.#clock() + (seconds(increment) || ttlSeconds) * 1000;
    const most = maxTtlSeconds === 0 ? wanted : token.createdAt + maxTtlSeconds * 1000;
    token.expiresAt = Math.min(wanted, most);
    return this.#authAnswer(token, "token");
  }

  /** Answers lookup-self. */
  lookupSelf(id: string): VaultAnswer {
    // Its last use may be this one.
    const token = this.#tokens.get(id);
    if (token === undefined) return errors(403, "permission denied");
    const { ttlSeconds, maxTtlSeconds = 0, type = "service" } = token.spec;
    const expires = Number.isFinite(token.expiresAt);
    const data = {
      accessor: token.accessor,
      creation_time: Math.floor(token.createdAt / 1000),
      creation_ttl: ttlSeconds,
      display_name: "token",
      entity_id: "",
      expire_time: expires ? new Date(token.expiresAt).toISOString() : null,
      explicit_max_ttl: maxTtlSeconds,
      id,
      issue_time: new Date(token.createdAt).toISOString(),
      meta: token.metadata,
      num_uses: usesOf(token),
      orphan: true,
      path: "auth/token/create",
      policies,
      renewable: isRenewable(token.spec),
      ttl: this.#leaseSeconds(token),
      type,
    };
    return envelope({ data }, this.#named("token"));
  }

  /** Puts an answer under a wrapping token, which opens once. */
  wrap(answer: VaultAnswer, ttlSeconds: number): string {
    const id = `hvs.${randomBytes(24).toString("base64url")}`;
    this.#wrapped.set(id, { answer, expiresAt: this.#clock() + ttlSeconds * 1000 });
    return id;
  }

  unwrap(id: string): VaultAnswer {
    const wrapped = this.#wrapped.get(id);
    this.#wrapped.delete(id);
    if (wrapped !== undefined && this.#clock() < wrapped.expiresAt) return wrapped.answer;
    return errors(400, "wrapping token is not valid or does not exist");
  }

  #issue(spec: TokenSpec, metadata: Readonly<Record<string, string>>): Token {
    const createdAt = this.#clock();
    const prefix = spec.type === "batch" ? "hvb" : "hvs";
    const token: Token = {
      id: spec.id ?? `${prefix}.${randomBytes(24).toString("base64url")}`,
      accessor: randomBytes(18).toString("base64url"),
      spec,
      metadata,
      createdAt,
      usesLeft: spec.numUses || Number.POSITIVE_INFINITY,
      expiresAt: spec.ttlSeconds === 0 ? Number.POSITIVE_INFINITY : createdAt + spec.ttlSeconds * 1000,
    };
    this.#tokens.set(token.id, token);
    return token;
  }

  #live(id: string): Token | undefined {
    const token = this.#tokens.get(id);
    const lives = token !== undefined && this.#clock() < token.expiresAt && token.usesLeft > 0;
    return lives ? token : undefined;
  }

  #leaseSeconds(token: Token): number {
    return Number.isFinite(token.expiresAt) ? Math.floor((token.expiresAt - this.#clock()) / 1000) : 0;
  }

  #named(mountType: MountType): MountType {
    return this.#namesMounts ? mountType : undefined;
  }

  #authAnswer(token: Token, mountType: MountType): VaultAnswer {
    const { type = "service" } = token.spec;
    const auth = {
      client_token: token.id,
      accessor: type === "batch" ? "" : token.accessor,
      policies,
      token_policies: policies,
      metadata: token.metadata,
      lease_duration: this.#leaseSeconds(token),
      renewable: isRenewable(token.spec),
      entity_id: randomUUID(),
      token_type: type,
      orphan: true,
      mfa_requirement: null,
      num_uses: usesOf(token),
    };
    return envelope({ auth }, this.#named(mountType));
  }
}

function usesOf({ usesLeft }: Token): number {
  return Number.isFinite(usesLeft) ? Math.max(usesLeft, 0) : 0;
}

function isRenewable(spec: TokenSpec): boolean {
  return spec.type !== "batch" && spec.ttlSeconds !== 0 && spec.renewable !== false;
}

/** A number, or a Go duration in one unit: 3600 or "1h". */
function seconds(increment: unknown): number {
  if (typeof increment === "number") return increment;
  const match = /^(\d+)([smh])$/.exec(typeof increment === "string" ? increment : "");
  return Number(match?.[1] ?? 0) * { s: 1, m: 60, h: 3600 }[(match?.[2] ?? "s") as "s" | "m" | "h"];
}
