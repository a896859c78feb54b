import type { Challenge } from "./challenge.ts";
import type { Signature } from "./signature.ts";
import type { TimelineEvent } from "./timeline.ts";

/** What callers read. */
export interface SignatureReader {
  get(caller: string, signatureId: string): Promise<Signature | undefined>;
  history(
    caller: string,
    signatureId: string,
  ): Promise<
    | {
        readonly signature: Signature;
        readonly challenges: readonly Challenge[];
        readonly timeline: readonly TimelineEvent[];
        /** Undefined until there is one. */
        readonly receipt: string | undefined;
      }
    | undefined
  >;
  /** The versions of many signatures in one query. A signature past its expiry has one of its own. */
  versions(signatureIds: readonly string[]): Promise<Map<string, number>>;
}
