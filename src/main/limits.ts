import type { SignatureConfig } from "../config/signature.ts";
import type { CallerLimit } from "../domain/caller-limit.ts";
import type { Clock } from "../domain/clock.ts";
import type { Observer } from "../domain/observation.ts";
import { PostgresCallerGrants } from "../postgres/caller-grants.ts";
import type { Database } from "../postgres/database.ts";
import { PostgresPrefixTraffic } from "../postgres/prefix-traffic.ts";
import { SharedCallerLimit } from "../resilience/caller-limit.ts";
import { PumpingGuard } from "../usecases/pumping-guard.ts";

interface Deps {
  readonly database: Database;
  /** A store as the use cases reach it. */
  readonly store: <Store extends object>(name: string, adapter: Store) => Store;
  readonly clock: Clock;
  readonly observer: Observer;
  /** The limit that CALLERS_FILE gives a caller. */
  readonly ownPerSecond: (caller: string) => number | undefined;
}

/** The limits that are not held by the statements that act. */
export function outerLimits(
  { limits, pumping }: SignatureConfig,
  { database, store, clock, observer, ownPerSecond }: Deps,
): { callerLimit: CallerLimit; pumping: PumpingGuard | undefined } {
  const grants = store("CallerGrants", new PostgresCallerGrants(database));
  const callerLimit = new SharedCallerLimit({
    clock,
    reserve: (caller, asked, perSecond) => grants.reserve(caller, asked, perSecond),
    perSecond: (caller) => ownPerSecond(caller) ?? limits.callerPerSecond,
  });
  const { guard: mode, homeCountries } = pumping;
  if (mode === "off") return { callerLimit, pumping: undefined };
  const traffic = store("PrefixTrafficStore", new PostgresPrefixTraffic(database));
  return { callerLimit, pumping: new PumpingGuard({ traffic, clock, observer, mode, homeCountries }) };
}
