import { EventEmitter, once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { RecentItems } from "./message-log.ts";
import { realTimers, TimerGroup, type Timers } from "./timers.ts";
import { envelope, errors, type MountType, type VaultAnswer } from "./vault-answer.ts";
import { VaultApi, type VaultCall, type VaultCondition, type VaultFlavour } from "./vault-api.ts";
import { VaultKv } from "./vault-kv.ts";
import { type AppRole, type KubernetesRole, VaultLogins } from "./vault-logins.ts";
import { type TokenSpec, VaultTokens } from "./vault-tokens.ts";
import { VaultTransit } from "./vault-transit.ts";

/** What Vault gives a token where the role says nothing. */
const defaultToken: TokenSpec = { ttlSeconds: 768 * 3600, maxTtlSeconds: 768 * 3600 };
const keptRequests = 10_000;

export type VaultDoubleOptions = {
  /** 0, the default, takes a free port on loopback. */
  port?: number;
  /** PEM; https where given. */
  tls?: { key: string; cert: string };
  /** Of the KV v2 engine. Default `secret`. */
  mount?: string;
  /** Of the Transit engine. Default `transit`. */
  transitMount?: string;
  /** Demanded in X-Vault-Namespace, where given. */
  namespace?: string;
  /** Whose answers it gives where they differ. Default `vault`. */
  flavour?: VaultFlavour;
  /** Of the KV engine at the mount. Default 2. */
  kvVersion?: 1 | 2;
  /** Whether the login method kubernetes is mounted. Default true. */
  kubernetes?: boolean;
  appRole?: Partial<AppRole>;
  kubernetesRole?: Partial<KubernetesRole>;
  /** Milliseconds since the epoch; tokens live by it. */
  clock?: () => number;
  timers?: Timers;
};

/** What a call meets in place of its answer. */
export type VaultStep =
  | { kind: "answer"; answer: VaultAnswer }
  | { kind: "text"; status: number; text: string }
  | { kind: "slow"; ms: number }
  /** The head of an answer, and never its body. */
  | { kind: "stall" }
  | { kind: "hang" }
  | { kind: "reset" };

export type VaultRequest = VaultCall & { headers: IncomingMessage["headers"] };

export type VaultDoubleEvents = {
  request: [request: VaultRequest];
  answered: [request: VaultRequest];
  /** The caller hung up before it had an answer. */
  abandoned: [request: VaultRequest];
};

/** Vault over real HTTP on this machine, as far as a service meets it that reads KV v2 secrets and has Transit sign. */
export class VaultDouble extends EventEmitter<VaultDoubleEvents> implements AsyncDisposable {
  /** For VAULT_ADDR. */
  readonly url: string;
  readonly kv: VaultKv;
  readonly transit: VaultTransit;
  readonly tokens: VaultTokens;
  readonly logins: VaultLogins;
  /** May be changed while it runs. */
  readonly condition: VaultCondition;
  readonly #api: VaultApi;
  readonly #server: http.Server;
  readonly #address: AddressInfo;
  readonly #timers: TimerGroup;
  readonly #requests = new RecentItems<VaultRequest>(keptRequests);
  readonly #plans: { path: string; step: VaultStep; left: number }[] = [];

  static async start(options: VaultDoubleOptions = {}): Promise<VaultDouble> {
    const server = options.tls === undefined ? http.createServer() : https.createServer(options.tls);
    server.listen(options.port ?? 0, "127.0.0.1");
    await once(server, "listening");
    return new VaultDouble(options, server);
  }

  private constructor(options: VaultDoubleOptions, server: http.Server) {
    super();
    this.setMaxListeners(0);
    const { mount = "secret", transitMount = "transit", namespace, clock = Date.now } = options;
    const { flavour = "vault", kvVersion = 2, kubernetes = true } = options;
    const mountType: MountType = flavour === "openbao" ? undefined : "kv";
    this.#server = server;
    this.#address = server.address() as AddressInfo;
    this.#timers = new TimerGroup(options.timers ?? realTimers);
    this.url = `${options.tls === undefined ? "http" : "https"}://127.0.0.1:${this.#address.port}`;
    this.kv = new VaultKv(clock, mountType);
    this.transit = new VaultTransit(clock);
    this.tokens = new VaultTokens(clock, flavour === "vault");
    const { appRole, kubernetesRole } = options;
    const roles = {
      appRole: { roleId: "role-id", secretIds: new Set(["secret-id"]), token: defaultToken, ...appRole },
      kubernetesRole: {
        role: "signature-router",
        jwts: new Set(["jwt"]),
        token: defaultToken,
        ...kubernetesRole,
      },
    };
    this.logins = new VaultLogins(roles, this.tokens, clock);
    this.condition = {
      sealed: false,
      initialized: true,
      activeNode: undefined,
      overQuota: false,
      policy: [`${mount}/*`, `${transitMount}/*`],
      renewable: true,
    };
    const { kv, tokens, logins, condition } = this;
    const transit = { mount: transitMount, engine: this.transit };
    this.#api = new VaultApi({
      mount,
      namespace,
      flavour,
      kvVersion,
      kubernetes,
      kv,
      transit,
      tokens,
      logins,
      condition,
      clock,
    });
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      void this.#handle(request, response).catch(() => response.destroy());
    });
  }

  /** Every request, oldest first, as far back as is remembered. */
  get requests(): VaultRequest[] {
    return this.#requests.all();
  }

  /** Those to one path below /v1. */
  requestsTo(path: string): VaultRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** Lays out what the next `times` requests to a path below /v1 meet. */
  plan(path: string, step: VaultStep, times = 1): void {
    this.#plans.push({ path, step, left: times });
  }

  clearPlans(): void {
    this.#plans.length = 0;
  }

  /** A secret id that is valid, under a wrapping token. */
  wrapSecretId(secretId: string, ttlSeconds = 300, numUses = 0): string {
    this.logins.appRole.secretIds.add(secretId);
    const data = {
      secret_id: secretId,
      secret_id_accessor: "accessor",
      secret_id_num_uses: numUses,
      secret_id_ttl: 0,
    };
    return this.tokens.wrap(envelope({ data }), ttlSeconds);
  }

  /** Waits until a path below /v1 was asked `count` times in all. */
  async received(path: string, count = 1): Promise<void> {
    while (this.requestsTo(path).length < count) await once(this, "request");
  }

  /** Refuses connections and cuts the open ones, until `comeBack`. */
  async goDown(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Listens again, on the same port. */
  async comeBack(): Promise<void> {
    this.#server.listen(this.#address.port, this.#address.address);
    await once(this.#server, "listening");
  }

  async close(): Promise<void> {
    this.#timers.close();
    if (this.#server.listening) await this.goDown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = parsed(incoming, await text(incoming));
    this.#requests.add(request);
    const step = this.#step(request.path);
    response.on("close", () => {
      if (!response.writableFinished) this.emit("abandoned", request);
    });
    const send = (answer: VaultAnswer) => {
      respond(response, answer);
      this.emit("answered", request);
    };
    if (step?.kind === "reset") incoming.socket.resetAndDestroy();
    else if (step?.kind === "answer") send(step.answer);
    else if (step?.kind === "slow") this.#timers.after(step.ms, () => send(this.#api.answer(request)));
    else if (step?.kind === "text")
      response.writeHead(step.status, { "Content-Type": "text/html" }).end(step.text);
    else if (step?.kind === "stall") response.writeHead(200, { "Content-Length": 100 }).flushHeaders();
    else if (step === undefined) send(this.#answer(incoming, request));
    this.emit("request", request);
  }

  #answer(incoming: IncomingMessage, request: VaultRequest): VaultAnswer {
    return incoming.url?.startsWith("/v1/") === true ? this.#api.answer(request) : errors(404);
  }

  #step(path: string): VaultStep | undefined {
    const plan = this.#plans.find((candidate) => candidate.path === path && candidate.left > 0);
    if (plan === undefined) return undefined;
    plan.left -= 1;
    return plan.step;
  }
}

function parsed(incoming: IncomingMessage, content: string): VaultRequest {
  const url = new URL(incoming.url ?? "/", "http://vault");
  const { "x-vault-token": token, "x-vault-namespace": namespace } = incoming.headers;
  return {
    method: incoming.method ?? "GET",
    path: decodeURIComponent(url.pathname).replace(/^\/v1\//, ""),
    query: url.searchParams,
    token: typeof token === "string" ? token : undefined,
    namespace: typeof namespace === "string" ? namespace : undefined,
    body: content === "" ? {} : JSON.parse(content),
    headers: incoming.headers,
  };
}

function respond(response: ServerResponse, { status, body, headers }: VaultAnswer): void {
  const content = body === undefined ? "" : JSON.stringify(body);
  response.writeHead(status, {
    ...(body !== undefined && { "Content-Type": "application/json" }),
    "Cache-Control": "no-store",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    ...headers,
  });
  response.end(content);
}
