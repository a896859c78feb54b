import { wasRefused } from "../domain/challenge.ts";
import type { Clock } from "../domain/clock.ts";
import { Failure } from "../domain/failure.ts";
import { requestFingerprint } from "../domain/fingerprint.ts";
import { type KeySource, keyById } from "../domain/keys.ts";
import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { DeliveryStore, KeyRecord } from "../domain/stores.ts";
import { answer, rejected, unavailable } from "./answer.ts";
import type { DeliverChallenge } from "./deliver-challenge.ts";
import type { InFlight } from "./in-flight.ts";
import type { SignatureChanges } from "./signature-changes.ts";

interface Deps {
  readonly keys: KeySource;
  readonly reader: SignatureReader;
  readonly deliveries: DeliveryStore;
  readonly deliver: DeliverChallenge;
  readonly inFlight: InFlight;
  readonly changes: SignatureChanges;
  readonly clock: Clock;
  readonly calls: number;
  readonly leaseMs: number;
}

/** Answers a call whose idempotency key is bound already: the signature as it is now, nothing sent twice. */
export class Replay {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** @throws Failure IDEMPOTENCY_KEY_REUSED where the key came with other content before */
  async execute(
    caller: string,
    record: KeyRecord,
    content: Readonly<Record<string, string | number>>,
    waitMs: number,
  ): Promise<Signature> {
    const { deliveries, deliver, inFlight, clock, keys } = this.#deps;
    const key = await keyById(keys, "pseudonym", record.fingerprintKeyId);
    if (!requestFingerprint(key, content).equals(record.fingerprint)) {
      throw new Failure("IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another request");
    }
    const { signature } = record;
    const { challenge } = signature;
    if (challenge.id !== record.challengeId || signature.closedAt !== undefined) return signature;
    if (wasRefused(challenge)) throw rejected(signature, challenge.providerErrorCode ?? "other");
    if (challenge.status !== "pending") return signature;

    if (!challenge.inProgress) {
      const startedAt = clock.now();
      const material = await deliveries.takeUp(challenge.id, this.#deps.calls, this.#deps.leaseMs);
      if (material !== undefined) {
        const delivery = inFlight.start(challenge.id, (signal) => deliver.again(material, startedAt, signal));
        return await answer(this.#deps, caller, signature, delivery, waitMs);
      }
    }
    const delivery = inFlight.of(challenge.id);
    if (delivery !== undefined) return await answer(this.#deps, caller, signature, delivery, waitMs);
    return await this.#outcomeElsewhere(caller, signature, waitMs);
  }

  /** Another replica sends it: its outcome is seen in the database. */
  async #outcomeElsewhere(caller: string, signature: Signature, waitMs: number): Promise<Signature> {
    const { changes, clock, reader } = this.#deps;
    const waited = new AbortController();
    void clock.sleep(Math.max(0, waitMs), waited.signal).then(
      () => waited.abort(),
      () => undefined,
    );
    try {
      // Read again: whoever was quicker to take it up made what was read before out of date.
      let now = (await reader.get(caller, signature.id)) ?? signature;
      while (
        now.challenge.inProgress &&
        now.challenge.id === signature.challenge.id &&
        !waited.signal.aborted
      ) {
        await changes.next(now.id, now.version, waited.signal);
        now = (await reader.get(caller, now.id)) ?? now;
      }
      const settled = now.challenge.id === signature.challenge.id && now.closedAt === undefined;
      if (settled && wasRefused(now.challenge))
        throw rejected(now, now.challenge.providerErrorCode ?? "other");
      if (settled && now.challenge.status === "pending" && !now.challenge.inProgress) {
        throw unavailable(now, await this.#givenUpWith(caller, now), undefined);
      }
      return now;
    } finally {
      waited.abort();
    }
  }
  /** The provider's code that another replica recorded; callers of both hear the same. */
  async #givenUpWith(caller: string, { id, challenge }: Signature): Promise<string> {
    const history = await this.#deps.reader.history(caller, id);
    const givenUp = history?.timeline.findLast(
      ({ type, details }) => type === "CHALLENGE_GIVEN_UP" && details["challenge_id"] === challenge.id,
    );
    return givenUp?.details["error_code"] ?? "other";
  }
}
