/** What the service looks at before it says that it is ready. */
export const checkNames = ["database", "secrets", "breaker", "capacity", "tls", "draining"] as const;
export type CheckName = (typeof checkNames)[number];

export const checkStates = ["ok", "degraded", "failed"] as const;
export type CheckState = (typeof checkStates)[number];

/** Why a check is not ok. A closed set: the answer of /readyz may be read by anybody on the network. */
export const checkDetails = [
  "starting",
  "unreachable",
  "unwritable",
  "behind",
  "missing",
  "stale",
  "denied",
  "login_refused",
  "token_not_renewable",
  "sealed",
  "open",
  "half_open",
  "isolated",
  "nearly_full",
  "files_unusable",
  "certificate_expired",
  "draining",
] as const;
export type CheckDetail = (typeof checkDetails)[number];

/** What to do about it, where the state alone does not tell. */
export const checkCures: { readonly [Detail in CheckDetail]?: string } = {
  denied:
    "let the Vault policy read providers/twilio and signature-router/keys in the KV v2 mount, and the Transit keys in use",
  login_refused: "renew the secret id, token or service account that logs in to Vault: see the log",
  token_not_renewable:
    "give VAULT_TOKEN a periodic token that may renew itself, or log in by AppRole or Kubernetes",
  stale: "a new version in Vault is not valid and not used: see the log for path and field",
};

export interface Check<Name extends string = string> {
  readonly name: Name;
  readonly state: CheckState;
  /** When it came into this state. */
  readonly since: Date;
  readonly detail: CheckDetail | undefined;
}

export interface ReadinessReport<Name extends string = string> {
  /** True while no check failed; a degraded one still serves. */
  readonly ready: boolean;
  readonly checks: readonly Check<Name>[];
}

export type ReadinessListener = (report: ReadinessReport) => void;

interface Deps<Name extends string> {
  /** All checks there are; each has failed until it is set. */
  readonly checks: readonly Name[];
  readonly now: () => Date;
}

/** Whether this process can take calls, and what keeps it from it. */
export class Readiness<Name extends string> {
  readonly #now: () => Date;
  readonly #checks: Map<Name, Check<Name>>;
  readonly #listeners = new Set<ReadinessListener>();

  constructor({ checks, now }: Deps<Name>) {
    this.#now = now;
    const since = now();
    this.#checks = new Map(
      checks.map((name) => [name, { name, state: "failed", since, detail: "starting" }]),
    );
  }

  /** Sets a check; the same state again changes nothing, not even since when. */
  set(name: Name, state: CheckState, detail?: CheckDetail): void {
    const before = this.#checks.get(name);
    if (before?.state === state && before.detail === detail) return;
    const since = before?.state === state ? before.since : this.#now();
    this.#checks.set(name, { name, state, since, detail });
    const report = this.report();
    for (const listener of this.#listeners) listener(report);
  }

  get ready(): boolean {
    return [...this.#checks.values()].every(({ state }) => state !== "failed");
  }

  report(): ReadinessReport<Name> {
    return { ready: this.ready, checks: [...this.#checks.values()] };
  }

  /** Told at once, and after each change; the returned function ends it. */
  subscribe(listener: ReadinessListener): () => void {
    this.#listeners.add(listener);
    listener(this.report());
    return () => this.#listeners.delete(listener);
  }
}
