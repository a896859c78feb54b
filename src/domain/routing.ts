import type { Channel } from "./challenge.ts";
import { Failure } from "./failure.ts";
import type { NumberType } from "./number-type.ts";
import type { PhoneNumber } from "./phone-number.ts";

/** A channel and the provider that serves it. */
export interface Route {
  readonly channel: Channel;
  readonly provider: string;
}

/**
 * The route of a challenge: the channel that was asked for, else the first there is.
 * @throws Failure CHANNEL_UNAVAILABLE where no provider serves the channel
 */
export function chooseRoute(routes: readonly Route[], channel: Channel | undefined): Route {
  const route = routes.find((candidate) => channel === undefined || candidate.channel === channel);
  if (route === undefined) {
    throw new Failure("CHANNEL_UNAVAILABLE", "no provider serves this channel");
  }
  return route;
}

/** Where messages may go: ISO 3166-1 alpha-2 codes, or `*` for everywhere. */
export type AllowedCountries = ReadonlySet<string> | "*";

/**
 * Every country that a number may be in has to be allowed.
 * @throws Failure DESTINATION_NOT_ALLOWED
 */
export function checkDestination(allowed: AllowedCountries, number: PhoneNumber): void {
  if (allowed === "*") return;
  const { countries } = number;
  if (countries.length === 0 || countries.some((country) => !allowed.has(country))) {
    throw new Failure("DESTINATION_NOT_ALLOWED", "messages to this country are not allowed");
  }
}

/** What messages may go to: types of numbers, or `*` for all. */
export type AllowedNumberTypes = ReadonlySet<NumberType> | "*";

/** @throws Failure DESTINATION_NOT_ALLOWED; the metadata tells the type */
export function checkNumberType(allowed: AllowedNumberTypes, { type }: PhoneNumber): void {
  if (allowed === "*" || allowed.has(type)) return;
  throw new Failure("DESTINATION_NOT_ALLOWED", `messages to numbers of type ${type} are not allowed`, {
    metadata: { number_type: type },
  });
}
