import { type GrantedToken, grantedToken, type Login } from "./login.ts";
import type { VaultClient } from "./vault-client.ts";
import { asVaultError, VaultError } from "./vault-error.ts";
import { backoffMs, sleepLong, type VaultClock, type VaultRandom } from "./waiting.ts";

/** Between which parts of its lease a token is renewed. */
const renewFrom = 0.6;
const renewTo = 0.73;
/** Renewals that return this much less than the lease before are capped by the token's maximum life. */
const capToleranceMs = 1_000;
const shortestWaitMs = 1_000;
const firstRetryMs = 1_000;
const mostRetryMs = 60_000;
/** Five refused logins within 15 minutes lock a role out, for every replica that uses it. */
const firstRefusalMs = 5 * 60_000;
const mostRefusalMs = 30 * 60_000;

const lookupSelfPath = "auth/token/lookup-self";
const tokenCure =
  "give VAULT_TOKEN a periodic token that may renew itself, or log in by AppRole or Kubernetes";

/** Never less than the pause itself: chance only makes it longer. */
function refusalPauseMs(count: number, random: VaultRandom): number {
  const pause = Math.min(mostRefusalMs, firstRefusalMs * 2 ** Math.min(count - 1, 10));
  return pause * (1 + random.fraction() / 5);
}

export interface TokenSessionDeps {
  /** Without a token. */
  readonly client: VaultClient;
  readonly login: Login;
  /** False for a token that was given: it is renewed, but never replaced ahead of its end. */
  readonly loginReplaces: boolean;
  readonly clock: VaultClock;
  readonly random: VaultRandom;
  readonly onLogin: () => void;
  readonly onRenewal: () => void;
  /** What will need somebody's hand later; the text is safe for a log. */
  readonly onNotice: (detail: string) => void;
  /** Why there will be no new token soon, though the present one may still work; undefined once there is. */
  readonly onFault: (fault: VaultError | undefined) => void;
  /** Ends everything. */
  readonly closing: AbortSignal;
}

interface HeldToken {
  readonly client: VaultClient;
  /** Vault has taken it: its login, or a call with it, was answered. */
  proven: boolean;
  /** Taken in place of one that seemed dead, and refused as that was. */
  doubted: boolean;
  /** Asks once, for any number of calls that were refused together. */
  asking?: Promise<boolean> | undefined;
  readonly renewable: boolean;
  leaseMs: number;
  /** By the clock; infinite where the token does not expire. */
  expiresAt: number;
}

/** Holds a token that works: logs in, renews it in time, and logs in again where it cannot be renewed. */
export class TokenSession {
  readonly #deps: TokenSessionDeps;
  #held: HeldToken | undefined;
  /** Each is told once, not at every login. */
  readonly #noticed = new Set<string>();
  #keeping = new AbortController();
  #loggingIn: Promise<HeldToken> | undefined;
  /** Tokens that were replaced on a doubt, and refused again: no more logins for the same doubt until then. */
  #doubts = { count: 0, until: Number.NEGATIVE_INFINITY };
  #refusal: { readonly error: VaultError; readonly until: number; readonly count: number } | undefined;

  constructor(deps: TokenSessionDeps) {
    this.#deps = deps;
    deps.closing.addEventListener("abort", () => this.#keeping.abort(), { once: true });
  }

  /**
   * Makes a call with a token. Where Vault does not know the token any more it logs in and makes the call
   * once more; a policy that denies the path is no reason to. OpenBao refuses both with "permission denied":
   * there lookup-self tells them apart.
   * @throws VaultError
   */
  async use<T>(call: (client: VaultClient) => Promise<T>): Promise<T> {
    const held = this.#held;
    const live = held !== undefined && this.#deps.clock.now() < held.expiresAt ? held : await this.#logIn();
    try {
      return await this.#made(live, call);
    } catch (error) {
      if (!(error instanceof VaultError) || error.reason !== "denied") throw error;
      if (!error.invalidToken && !(await this.#seemsDead(live))) throw error;
      // On a doubt it is kept until there is another: what it may still read goes on.
      if (error.invalidToken) live.expiresAt = Number.NEGATIVE_INFINITY;
    }
    // A call that ran beside this one may have logged in already.
    const fresh = this.#held !== undefined && this.#held !== live ? this.#held : await this.#logIn();
    try {
      return await this.#made(fresh, call);
    } catch (error) {
      if (error instanceof VaultError && error.reason === "denied") this.#doubted(fresh);
      throw error;
    }
  }

  async #made<T>(held: HeldToken, call: (client: VaultClient) => Promise<T>): Promise<T> {
    const result = await this.#proving(held, () => call(held.client));
    this.#doubts.count = 0;
    return result;
  }

  /** A token that may not look itself up is known to be good once a call with it was answered. */
  async #proving<T>(held: HeldToken, call: () => Promise<T>): Promise<T> {
    try {
      const result = await call();
      if (!held.proven) {
        held.proven = true;
        this.#deps.onLogin();
      }
      return result;
    } catch (error) {
      if (held.proven || !(error instanceof VaultError) || error.reason !== "denied") throw error;
      const why = "it is expired, revoked or unknown, or its policy allows too little";
      throw new VaultError(
        "login_failed",
        `${error.message}, and lookup-self of the Vault token too: ${why}`,
      );
    }
  }

  /** Whether Vault refuses the token itself. A policy without lookup-self looks alike, so doubts get rarer. */
  #seemsDead(held: HeldToken): Promise<boolean> {
    if (this.#held !== held) return Promise.resolve(true);
    if (!held.proven || this.#deps.clock.now() < this.#doubts.until) return Promise.resolve(false);
    held.asking ??= held.client.read(lookupSelfPath, this.#deps.closing).then(
      () => false,
      (error: unknown) => error instanceof VaultError && error.reason === "denied",
    );
    const asked = held.asking;
    return asked.finally(() => {
      held.asking = undefined;
    });
  }

  /** Once for each token, however many calls it was refused for. */
  #doubted(held: HeldToken): void {
    if (held.doubted) return;
    held.doubted = true;
    const { clock, random } = this.#deps;
    const count = this.#doubts.count + 1;
    this.#doubts = { count, until: clock.now() + refusalPauseMs(count, random) };
  }

  /** One login at a time, whoever asks; none for a while after one was refused. */
  #logIn(): Promise<HeldToken> {
    this.#loggingIn ??= this.#granted().finally(() => {
      this.#loggingIn = undefined;
    });
    return this.#loggingIn;
  }

  async #granted(): Promise<HeldToken> {
    const { login, clock, random, closing, onLogin, onFault } = this.#deps;
    if (this.#refusal !== undefined && clock.now() < this.#refusal.until) throw this.#refusal.error;
    try {
      const held = this.#take(await login(closing));
      if (held.proven) onLogin();
      return held;
    } catch (thrown) {
      closing.throwIfAborted();
      const error = asVaultError(thrown);
      onFault(error);
      if (error.reason === "login_failed") {
        const count = (this.#refusal?.count ?? 0) + 1;
        this.#refusal = { error, count, until: clock.now() + refusalPauseMs(count, random) };
      }
      throw error;
    }
  }

  #take(granted: GrantedToken): HeldToken {
    const { client, clock, closing, onFault } = this.#deps;
    closing.throwIfAborted();
    const leaseMs = granted.leaseSeconds > 0 ? granted.leaseSeconds * 1000 : Number.POSITIVE_INFINITY;
    const held: HeldToken = {
      client: client.withToken(granted.token),
      renewable: granted.renewable,
      proven: granted.proven,
      doubted: false,
      leaseMs,
      expiresAt: clock.now() + leaseMs,
    };
    this.#held = held;
    this.#refusal = undefined;
    onFault(undefined);
    for (const notice of granted.notices) this.#notice(notice);
    if (!granted.renewable && !this.#deps.loginReplaces && leaseMs !== Number.POSITIVE_INFINITY) {
      this.#notice(`the Vault token is not renewable and ends in ${granted.leaseSeconds} s: ${tokenCure}`);
    }
    this.#keeping.abort();
    this.#keeping = new AbortController();
    if (leaseMs !== Number.POSITIVE_INFINITY) void this.#keep(held, this.#keeping.signal);
    return held;
  }

  #notice(detail: string): void {
    if (this.#noticed.has(detail)) return;
    this.#noticed.add(detail);
    this.#deps.onNotice(detail);
  }

  /** Runs until another token is taken. */
  async #keep(held: HeldToken, signal: AbortSignal): Promise<void> {
    try {
      do await this.#sleepUntilDue(held, signal);
      while (held.renewable && (await this.#renewed(held, signal)));
      if (this.#deps.loginReplaces) await this.#replace(signal);
      else
        this.#deps.onFault(
          new VaultError("token_ends", `the Vault token cannot be renewed any longer: ${tokenCure}`),
        );
    } catch {
      // Only the signal ends it early: every fault of Vault goes to `onFault`.
    }
  }

  async #sleepUntilDue(held: HeldToken, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    const part = renewFrom + (renewTo - renewFrom) * random.fraction();
    await sleepLong(clock, Math.max(shortestWaitMs, held.leaseMs * part), signal);
  }

  /** Whether the token lives on as long as before; what passes is tried again while it lives. */
  async #renewed(held: HeldToken, signal: AbortSignal): Promise<boolean> {
    const { clock, random, onRenewal, onFault } = this.#deps;
    const path = "auth/token/renew-self";
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { leaseSeconds } = grantedToken(await held.client.write(path, {}, signal), path);
        const leaseMs = leaseSeconds > 0 ? leaseSeconds * 1000 : Number.POSITIVE_INFINITY;
        const capped = leaseMs < held.leaseMs - capToleranceMs;
        held.expiresAt = clock.now() + leaseMs;
        held.leaseMs = leaseMs;
        onFault(undefined);
        onRenewal();
        return !capped;
      } catch (thrown) {
        signal.throwIfAborted();
        const error = asVaultError(thrown);
        // Not every token can be renewed: what comes next shows whether that is a fault.
        onFault(error.transient ? error : undefined);
        if (!error.transient) return false;
      }
      const pause = backoffMs(attempt, firstRetryMs, mostRetryMs, random);
      if (clock.now() + pause >= held.expiresAt) return false;
      await clock.sleep(pause, signal);
    }
  }

  /** Logs in however long it takes; the token that is taken ends this by the signal. */
  async #replace(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#deps;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#logIn();
        return;
      } catch {
        signal.throwIfAborted();
        const pause = backoffMs(attempt, firstRetryMs, mostRetryMs, random);
        const refused = (this.#refusal?.until ?? 0) - clock.now();
        await sleepLong(clock, Math.max(pause, refused), signal);
      }
    }
  }
}
