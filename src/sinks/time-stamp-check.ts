import type { X509Certificate } from "node:crypto";
import { TimeStampFault } from "./time-stamp-fault.ts";
import { type Stamped, timeOfToken } from "./time-stamp-token.ts";

const dayMs = 86_400_000;

/**
 * The time of a token over the checkpoint of a day, which is made when the day is over.
 * @throws TimeStampFault
 */
export function checkTimeStamp(
  token: Uint8Array,
  { day, ...stamped }: Stamped & { readonly day: string },
  anchors: readonly X509Certificate[],
): Date {
  const at = timeOfToken(token, stamped, anchors);
  if (at.getTime() < Date.parse(`${day}T00:00:00Z`) + dayMs) throw new TimeStampFault("TOO_EARLY");
  return at;
}
