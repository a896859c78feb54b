import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";
import { CallRefused } from "../resilience/call-refused.ts";
import { CircuitBreaker, type Verdict } from "../resilience/circuit-breaker.ts";
import { VaultError } from "../vault/vault-error.ts";

/** Half of the last calls, of ten at least, opens it: customers wait no longer for a Vault that does not answer. */
const breaker = { failureRate: 0.5, minCalls: 10, windowCalls: 50, openMs: 2000 };

/** Ends the wait beside a call that has ended. */
const over = new Error("the call has ended");

const keyIdForm = /^transit:([\w.-]+):v([1-9]\d{0,8})$/;

/** The id that a version of a Transit key has in rows, receipts and the JWK set. */
export function transitKeyId(name: string, version: number): string {
  return `transit:${name}:v${version}`;
}

/** The version that an id names of this key; undefined where it is another key's. */
export function versionOf(keyId: string, name: string): number | undefined {
  const [, of, version] = keyIdForm.exec(keyId) ?? [];
  return of === name ? Number(version) : undefined;
}

export function unavailable(cause?: unknown): Failure {
  return new Failure("SERVICE_UNAVAILABLE", "a key is not available", { retryAfterMs: 1000, cause });
}

/** Calls to Transit under one breaker, each with a deadline that spans connection, log-in and the one repetition. */
export class TransitCalls {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #breaker: CircuitBreaker;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#breaker = new CircuitBreaker({ clock, provider: "vault", settings: breaker });
  }

  /** @throws Failure SERVICE_UNAVAILABLE, whatever was wrong: its cause tells */
  async run<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await this.#breaker.run(() => this.#inTime(call), verdictOf);
    } catch (cause) {
      throw unavailable(cause);
    }
  }

  async #inTime<Result>(call: () => Promise<Result>): Promise<Result> {
    const ended = new AbortController();
    const late = Promise.withResolvers<never>();
    this.#clock.sleep(this.#timeoutMs, ended.signal).then(
      () => late.reject(new VaultError("timeout", `Vault did not answer within ${this.#timeoutMs} ms`)),
      () => undefined,
    );
    try {
      return await Promise.race([call(), late.promise]);
    } finally {
      ended.abort(over);
    }
  }
}

function verdictOf(error: unknown): Verdict {
  if (error instanceof CallRefused) return "nothing";
  return error instanceof VaultError && error.transient ? "fault" : "answered";
}
