import { type Admission, type CallerLimit, unlimited } from "../domain/caller-limit.ts";
import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";

/** Calls granted to this process out of what all replicas share. */
export interface CallerGrant {
  /** From none to what was asked for. */
  readonly count: number;
  /** Until when they may begin, by the database's clock, which the statement that begins them checks. */
  readonly until: Date;
  /** Until there may be more, where fewer were granted than asked for. */
  readonly retryAfterMs: number;
}

/** One object, so that no wrapper on the way to the statement can leave a part of it out. */
export interface CallReservation {
  readonly caller: string;
  readonly asked: number;
  readonly perSecond: number;
  /** By how much longer than usual they may begin, at the price of counting that much longer. */
  readonly extraMs: number;
}

export interface CallerGrants {
  /** Takes up to `asked` calls of the caller. MUST NOT grant more than `perSecond` in any second over all replicas. */
  reserve(reservation: CallReservation): Promise<CallerGrant>;
}

interface Deps {
  readonly clock: Clock;
  readonly grants: CallerGrants;
  /** A caller's limit as it is now; 0: none. */
  readonly perSecond: (caller: string) => number;
}

/**
 * How long a grant is handed out, by this process's clock from before it was asked for. Half of what the
 * database lets it live (see PostgresCallerGrants): the other half is for the way to the statement.
 */
const handOutMs = 75;

/** How much longer grants live while this process is too slow for them, and for how long after that. */
const extraLifeMs = { least: 250, most: 4_000, keptMs: 10_000 };

/** Grants in a row that may be heard of too late; each lives twice as long as the one before. */
const mostLate = 5;

/** Limits each caller's new work, over all replicas. */
export class SharedCallerLimit implements CallerLimit {
  readonly #deps: Deps;
  readonly #accounts = new Map<string, CallerAccount>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async take(caller: string): Promise<Admission> {
    const perSecond = this.#deps.perSecond(caller);
    if (perSecond === 0) return unlimited;
    let account = this.#accounts.get(caller);
    if (account === undefined) {
      account = new CallerAccount(this.#deps, caller);
      this.#accounts.set(caller, account);
    }
    return await account.take();
  }
}

/**
 * What one caller may begin in this process. One reservation is under way at a time; it covers whoever
 * waits then and half of what the last one handed out, so the busier the caller the fewer round trips.
 */
class CallerAccount {
  readonly #deps: Deps;
  readonly #caller: string;
  #batch: { left: number; readonly handOutUntil: number; readonly until: Date } | undefined;
  #waiting: PromiseWithResolvers<Admission>[] = [];
  #reserving = false;
  #exhaustedUntil = Number.NEGATIVE_INFINITY;
  #taken = 0;
  #takenSince = 0;
  #extraMs = 0;
  #extraUntil = 0;

  constructor(deps: Deps, caller: string) {
    this.#deps = deps;
    this.#caller = caller;
  }

  take(): Promise<Admission> {
    const now = this.#deps.clock.now();
    const admission = this.#admission(now);
    if (admission !== undefined) return Promise.resolve(admission);
    // Nothing comes back before then, and a flood of refused calls must not reach the database.
    if (now < this.#exhaustedUntil) return Promise.reject(exhausted(this.#exhaustedUntil - now));
    const waiter = Promise.withResolvers<Admission>();
    this.#waiting.push(waiter);
    if (!this.#reserving) void this.#serve();
    return waiter.promise;
  }

  async #serve(): Promise<void> {
    this.#reserving = true;
    let late = 0;
    while (this.#waiting.length > 0) {
      const asking = this.#waiting.length;
      const sentAt = this.#deps.clock.now();
      try {
        const perSecond = this.#deps.perSecond(this.#caller);
        const asked = asking + this.#expected(sentAt);
        if (sentAt >= this.#extraUntil) this.#extraMs = 0;
        const extraMs = this.#extraMs;
        const grant = await this.#deps.grants.reserve({ caller: this.#caller, asked, perSecond, extraMs });
        if (grant.count < asked) this.#exhaustedUntil = sentAt + grant.retryAfterMs;
        this.#batch = {
          left: grant.count,
          handOutUntil: sentAt + handOutMs + extraMs / 2,
          until: grant.until,
        };
        const served = this.#handOut();
        if (this.#isLate(this.#batch) && late < mostLate) {
          late += 1;
          this.#lengthen();
          continue;
        }
        for (const waiter of this.#waiting.splice(0, asking - served)) {
          waiter.reject(exhausted(grant.retryAfterMs));
        }
      } catch (error) {
        for (const waiter of this.#waiting.splice(0, asking)) waiter.reject(error);
      }
    }
    this.#reserving = false;
  }

  #handOut(): number {
    const now = this.#deps.clock.now();
    for (let served = 0; ; served += 1) {
      const admission = this.#waiting.length > 0 ? this.#admission(now) : undefined;
      if (admission === undefined) return served;
      this.#waiting.shift()?.resolve(admission);
    }
  }

  #admission(now: number): Admission | undefined {
    const batch = this.#batch;
    if (batch === undefined || batch.left === 0 || now >= batch.handOutUntil) return undefined;
    batch.left -= 1;
    this.#taken += 1;
    let mine = true;
    return {
      until: batch.until,
      giveBack: () => {
        if (mine) batch.left += 1;
        mine = false;
      },
      cameTooLate: () => {
        this.#lengthen();
        if (this.#batch === batch) this.#batch = undefined;
      },
    };
  }

  /** Whether what was granted was heard of too late to be handed out: nobody is refused for that. */
  #isLate(batch: { readonly left: number; readonly handOutUntil: number }): boolean {
    return this.#waiting.length > 0 && batch.left > 0 && this.#deps.clock.now() >= batch.handOutUntil;
  }

  #lengthen(): void {
    this.#extraMs = Math.min(extraLifeMs.most, Math.max(extraLifeMs.least, this.#extraMs * 2));
    this.#extraUntil = this.#deps.clock.now() + extraLifeMs.keptMs;
  }

  /** Half of what a grant's time has seen taken of late: more would be granted in vain, and missing elsewhere. */
  #expected(now: number): number {
    const elapsedMs = Math.max(handOutMs, now - this.#takenSince);
    const expected = Math.floor((this.#taken * handOutMs) / elapsedMs / 2);
    if (now - this.#takenSince >= handOutMs) {
      this.#takenSince = now;
      this.#taken = 0;
    }
    return expected;
  }
}

function exhausted(retryAfterMs: number): Failure {
  return new Failure("RATE_LIMITED", "too many requests", {
    retryAfterMs: Math.max(1, Math.ceil(retryAfterMs)),
    metadata: { limit: "caller" },
  });
}
