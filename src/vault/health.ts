import type { VaultError, VaultReason } from "./vault-error.ts";

export type VaultHealth =
  | { readonly state: "ok"; readonly since: number }
  | {
      readonly state: "degraded";
      /** Monotonic milliseconds, here and above. */
      readonly since: number;
      readonly reason: VaultReason;
      /** Safe for a log. */
      readonly detail: string;
    };

/** What can fail on its own: reading secrets and Transit's keys, using these, and keeping a token that will work tomorrow. */
export type HealthSource = (typeof sources)[number];

/** Worst first. */
const sources = ["read", "transit", "transit_call", "token"] as const;

export interface HealthRecordOptions {
  readonly now: () => number;
  /** Called where the state, its reason or its detail changes. */
  readonly onChange: (health: VaultHealth) => void;
}

/** Degraded from the first fault until no source has one. */
export class HealthRecord {
  readonly #options: HealthRecordOptions;
  readonly #faults = new Map<HealthSource, VaultError>();
  #health: VaultHealth;

  constructor(options: HealthRecordOptions) {
    this.#options = options;
    this.#health = { state: "ok", since: options.now() };
  }

  get current(): VaultHealth {
    return this.#health;
  }

  report(source: HealthSource, fault: VaultError | undefined): void {
    if (fault === undefined) this.#faults.delete(source);
    else this.#faults.set(source, fault);
    const before = this.#health;
    const worst = sources.map((name) => this.#faults.get(name)).find((found) => found !== undefined);
    if (worst === undefined) {
      if (before.state === "ok") return;
      this.#health = { state: "ok", since: this.#options.now() };
    } else {
      const since = before.state === "degraded" ? before.since : this.#options.now();
      this.#health = { state: "degraded", since, reason: worst.reason, detail: worst.message };
      const same = before.state === "degraded" && before.reason === worst.reason;
      if (same && before.detail === worst.message) return;
    }
    this.#options.onChange(this.#health);
  }
}
