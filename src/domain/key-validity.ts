import type { PublicJwk } from "./receipt.ts";

/** When a signing key may be used, as the ring says and as the database saw it. */
export interface KeyValidity {
  readonly from?: Date | undefined;
  readonly until?: Date | undefined;
  /** What it signed from then on is not the bank's. */
  readonly revoked?: Date | undefined;
}

/** When a key was first seen in use, and when it was first seen as retired. */
export interface KeyHistory {
  readonly used?: Date | undefined;
  readonly retired?: Date | undefined;
}

/** The window of a key: the later beginning and the earlier end of what ring and history say. */
export function validityOf(
  ring: KeyValidity | undefined,
  history: KeyHistory | undefined,
  isRetired: boolean,
): KeyValidity {
  const latest = (a: Date | undefined, b: Date | undefined) => (a && b ? (a > b ? a : b) : (a ?? b));
  const until = ring?.until ?? (isRetired ? history?.retired : undefined);
  return { from: latest(ring?.from, history?.used), until, revoked: ring?.revoked };
}

/** The window as members of a JWK, in whole seconds since 1970; a beginning is rounded down. */
export function jwkValidity({
  from,
  until,
  revoked,
}: KeyValidity): Pick<PublicJwk, "nbf" | "exp" | "revoked_at"> {
  const seconds = (at: Date) => Math.floor(at.getTime() / 1000);
  return {
    ...(from && { nbf: seconds(from) }),
    ...(until && { exp: seconds(until) }),
    ...(revoked && { revoked_at: seconds(revoked) }),
  };
}

/**
 * Why a key could not sign at this time, undefined where it could.
 * @param earliest of what is known to be signed no earlier only: its key may be newer
 */
export function keyUseFault(key: PublicJwk, at: Date, earliest = false): string | undefined {
  const seconds = Math.floor(at.getTime() / 1000);
  const when = (second: number) => new Date(second * 1000).toISOString();
  if (key.revoked_at !== undefined && seconds >= key.revoked_at) {
    return `the key ${key.kid} was revoked on ${when(key.revoked_at)}, before it signed`;
  }
  if (key.exp !== undefined && seconds >= key.exp) {
    return `the key ${key.kid} was not to be used any more from ${when(key.exp)} on`;
  }
  if (!earliest && key.nbf !== undefined && seconds < key.nbf) {
    return `the key ${key.kid} was not in use before ${when(key.nbf)}`;
  }
  return undefined;
}
