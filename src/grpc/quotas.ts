import { Failure } from "../domain/failure.ts";
import type { Caller } from "./call.ts";

/** What a peer holds open: connections, calls on them, and those calls that stay open as streams. */
export const heldKinds = ["connections", "calls", "streams"] as const;
export type HeldKind = (typeof heldKinds)[number];
export type Quota = Readonly<Record<HeldKind, number>>;

export interface QuotaRules {
  /** All peers together. The calls that streams may not take are there for unary calls alone. */
  readonly all: Quota;
  /** A caller to whom CALLERS_FILE gives no other. */
  readonly caller: Quota;
  /** Peers that are no callers, all together, e.g. health probes of a mesh. */
  readonly unknown: Quota;
  /** Calls on one connection. Node ends a connection whose client opens more than HTTP/2's settings allow. */
  readonly connectionCalls: number;
}

export const quotaScopes = ["all", "caller", "unknown", "connection"] as const;
export type QuotaScope = (typeof quotaScopes)[number];

export interface QuotaObserver {
  /** @param connection what the peer opened, or called on */
  refused(kind: HeldKind, scope: QuotaScope, caller: Caller | undefined, connection: object): void;
  /** Whether something that all share is nearly used up. Told only when it changes. */
  pressed(pressed: boolean): void;
}

/** Ends the holding; further calls of it do nothing. */
export type Release = () => void;

const whose = {
  all: "the server has",
  caller: "the caller has",
  unknown: "unknown peers have",
  connection: "the connection has",
} satisfies Record<QuotaScope, string>;
const what = { connections: "connections", calls: "calls at once", streams: "streams" };

function refusal(kind: HeldKind, scope: QuotaScope): Failure {
  const message = `${whose[scope]} too many ${what[kind]}`;
  if (scope === "all") return new Failure("SERVICE_UNAVAILABLE", message, { retryAfterMs: 1000 });
  return new Failure("RATE_LIMITED", message, { retryAfterMs: 1000, metadata: { limit: "caller" } });
}

/** From so much of the calls on, a caller that has more than a tenth of them gets no more: the rest is the others'. */
const scarceFrom = 0.8;
const fairShare = 0.1;
const pressedFrom = 0.9;
const relievedBelow = 0.75;

type Held = Record<HeldKind, number>;

/** Counts what each peer holds open, and refuses what goes beyond its quota, or would leave too little for others. */
export class Quotas {
  readonly #rules: QuotaRules;
  readonly #observer: QuotaObserver | undefined;
  readonly #all: Held = { connections: 0, calls: 0, streams: 0 };
  readonly #accounts = new Map<string, Held>();
  readonly #refused = new WeakMap<object, QuotaScope>();
  readonly #onConnection = new WeakMap<object, { calls: number }>();
  #pressed = false;

  constructor(rules: QuotaRules, observer?: QuotaObserver) {
    this.#rules = rules;
    this.#observer = observer;
  }

  /** What all peers hold open now. */
  get held(): Quota {
    return this.#all;
  }

  /** @returns undefined where there are too many connections: each call on it is refused for that */
  connect(caller: Caller | undefined, connection: object): Release | undefined {
    const scope = this.#scopeBeyond(caller, "connections");
    if (scope === undefined) return this.#hold(caller, ["connections"]);
    this.#refused.set(connection, scope);
    this.#observer?.refused("connections", scope, caller, connection);
    return undefined;
  }

  /**
   * @param connection what the call came on
   * @throws Failure RATE_LIMITED where the caller has too many, SERVICE_UNAVAILABLE where all together have
   */
  begin(caller: Caller | undefined, connection: object, isStream: boolean): Release {
    const refused = this.#refused.get(connection);
    if (refused !== undefined) throw refusal("connections", refused);
    const kinds: HeldKind[] = isStream ? ["streams", "calls"] : ["calls"];
    for (const kind of kinds) {
      const scope = this.#scopeBeyond(caller, kind);
      if (scope !== undefined) throw this.#refuse(kind, scope, caller, connection);
    }
    const here = this.#onConnection.get(connection) ?? { calls: 0 };
    if (here.calls >= this.#rules.connectionCalls)
      throw this.#refuse("calls", "connection", caller, connection);
    this.#onConnection.set(connection, here);
    here.calls += 1;
    const release = this.#hold(caller, kinds);
    return () => {
      if (release()) here.calls -= 1;
    };
  }

  /** Why the peer gets no more of the kind; undefined where it does. */
  #scopeBeyond(caller: Caller | undefined, kind: HeldKind): QuotaScope | undefined {
    const { all } = this.#rules;
    if (this.#all[kind] >= all[kind]) return "all";
    const own = this.#accounts.get(caller?.name ?? "")?.[kind] ?? 0;
    const quota = this.#quotaOf(caller)[kind];
    if (own >= quota) return caller === undefined ? "unknown" : "caller";
    const scarce = kind === "calls" && this.#all.calls >= all.calls * scarceFrom;
    return scarce && own >= all.calls * fairShare && Number.isFinite(quota) ? "all" : undefined;
  }

  #quotaOf(caller: Caller | undefined): Quota {
    return caller === undefined ? this.#rules.unknown : { ...this.#rules.caller, ...caller.quota };
  }

  #refuse(kind: HeldKind, scope: QuotaScope, caller: Caller | undefined, connection: object): Failure {
    this.#observer?.refused(kind, scope, caller, connection);
    return refusal(kind, scope);
  }

  #hold(caller: Caller | undefined, kinds: readonly HeldKind[]): () => boolean {
    const name = caller?.name ?? "";
    const own = this.#accounts.get(name) ?? { connections: 0, calls: 0, streams: 0 };
    this.#accounts.set(name, own);
    for (const kind of kinds) {
      own[kind] += 1;
      this.#all[kind] += 1;
    }
    this.#look();
    let held = true;
    return () => {
      if (!held) return false;
      held = false;
      for (const kind of kinds) {
        own[kind] -= 1;
        this.#all[kind] -= 1;
      }
      if (heldKinds.every((kind) => own[kind] === 0)) this.#accounts.delete(name);
      this.#look();
      return true;
    };
  }

  #look(): void {
    const from = this.#pressed ? relievedBelow : pressedFrom;
    const pressed = heldKinds.some((kind) => this.#all[kind] >= this.#rules.all[kind] * from);
    if (pressed === this.#pressed) return;
    this.#pressed = pressed;
    this.#observer?.pressed(pressed);
  }
}
