import type { CallerLimit } from "../domain/caller-limit.ts";
import type { Channel } from "../domain/challenge.ts";
import type { Clock, Random } from "../domain/clock.ts";
import { askedOnce, type CodeDerivation } from "../domain/code-derivation.ts";
import { commitDestination } from "../domain/destination.ts";
import { Failure } from "../domain/failure.ts";
import { Faults } from "../domain/faults.ts";
import { requestFingerprint } from "../domain/fingerprint.ts";
import { type KeySource, primaryKey } from "../domain/keys.ts";
import type { BudgetedMessage, MessageBudget } from "../domain/message-budget.ts";
import type { MessageTexts, TextStyle } from "../domain/message-texts.ts";
import { parsePhoneNumber } from "../domain/phone-number.ts";
import { textDigest } from "../domain/receipt.ts";
import { chooseRoute, type Route } from "../domain/routing.ts";
import { closedFailure, type Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type {
  ChallengeMaterial,
  DeliveryStore,
  NewChallenge,
  RequestKey,
  Resend,
  ResendRules,
  SignatureStore,
} from "../domain/stores.ts";
import { admitted, alwaysWanted, type IsWanted } from "./admitted.ts";
import { answer } from "./answer.ts";
import { budgeted } from "./budgeted.ts";
import type { DeliverChallenge } from "./deliver-challenge.ts";
import type { InFlight } from "./in-flight.ts";
import { maskedText, openTransaction } from "./issue-receipt.ts";
import { type ChallengeOpening, minutesOf, openChallenge } from "./outgoing-challenge.ts";
import type { PumpingGuard } from "./pumping-guard.ts";
import type { Replay } from "./replay.ts";
import type { SignatureChanges } from "./signature-changes.ts";
import type { ChallengeRules, StartedSignature } from "./start-signature.ts";

export interface SendChallengeCommand {
  readonly caller: string;
  readonly signatureId: string;
  /** Undefined repeats the last channel. */
  readonly channel: Channel | undefined;
  readonly idempotencyKey: string;
  /** The operator's name where it is not the caller who asks. */
  readonly orderedBy?: string | undefined;
}

interface Deps {
  readonly signatures: SignatureStore;
  readonly deliveries: DeliveryStore;
  readonly reader: SignatureReader;
  readonly keys: KeySource;
  readonly codes: CodeDerivation;
  readonly texts: MessageTexts;
  readonly deliver: DeliverChallenge;
  readonly replay: Replay;
  readonly inFlight: InFlight;
  readonly changes: SignatureChanges;
  readonly clock: Clock;
  readonly random: Random;
  readonly routes: readonly Route[];
  readonly rules: ResendRules;
  readonly callerLimit: CallerLimit;
  /** Undefined: off. */
  readonly pumping: PumpingGuard | undefined;
  readonly budget: MessageBudget;
  readonly challenge: ChallengeRules;
}

/** Sends the code of an open signature again, once it is certain what became of the message before. */
export class SendChallenge {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * @param isWanted whether the caller still waits; where it does not, nothing is begun
   * @throws Failure as the contract lists them
   */
  async execute(
    command: SendChallengeCommand,
    waitMs: number,
    isWanted: IsWanted = alwaysWanted,
  ): Promise<StartedSignature> {
    const { clock, keys, signatures } = this.#deps;
    // One code for what is composed before and after the challenge is recorded.
    const opening = { ...this.#deps, codes: askedOnce(this.#deps.codes) };
    const entered = clock.now();
    const leftMs = () => waitMs - (clock.now() - entered);
    const { caller, signatureId } = command;
    const content = { signature_id: signatureId, channel: command.channel ?? "" };
    const replayed = await this.#replayed(command, content, waitMs);
    if (replayed !== undefined) return replayed;

    const fingerprintKey = primaryKey(keys.current().pseudonym);
    const key: RequestKey = {
      caller,
      scope: signatureId,
      key: command.idempotencyKey,
      fingerprint: requestFingerprint(fingerprintKey.key, content),
      fingerprintKeyId: fingerprintKey.id,
    };
    // The text's minutes count from the challenge's creation, so it is composed from the recorded row.
    const { challenge, startedAt, resend } = await this.#recorded(command, key, opening, leftMs(), isWanted);
    if (resend.outcome === "replay") {
      const again = await this.#replayed(command, content, leftMs());
      if (again !== undefined) return again;
    }
    if (resend.outcome !== "created") throw refusal(resend);

    const material = await signatures.material(caller, signatureId);
    if (material === undefined || material.challengeId !== challenge.id) {
      return { signature: resend.signature, replayed: false };
    }
    const outgoing = await openChallenge(opening, material);
    if (outgoing === undefined) return { signature: resend.signature, replayed: false };
    const start = { lease: resend.lease, startedAt, calls: challenge.calls, lifeMs: material.lifeLeftMs };
    const { deliver, inFlight } = this.#deps;
    const delivery = inFlight.start(challenge.id, (signal) => deliver.first(outgoing, start, signal));
    const signature = await answer(this.#deps, caller, resend.signature, delivery, leftMs());
    return { signature, replayed: false };
  }

  async #recorded(
    command: SendChallengeCommand,
    key: RequestKey,
    opening: ChallengeOpening,
    waitMs: number,
    isWanted: IsWanted,
  ): Promise<{ challenge: NewChallenge; startedAt: number; resend: Resend }> {
    const { clock, keys, random, routes, signatures, texts, challenge: made } = this.#deps;
    const { caller, signatureId } = command;
    const latest = await signatures.material(caller, signatureId);
    if (latest === undefined) throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    const route = chooseRoute(routes, command.channel ?? latest.channel);
    // The text that the running version makes stands for the new one: they differ in the minutes.
    const opened = await openChallenge(opening, { ...latest, textVersion: texts.current });
    const number = opened && parsePhoneNumber(new Faults(), "", opened.to);
    if (number !== undefined) this.#deps.pumping?.check(number, caller);
    const challengeId = random.uuid();
    const style = { textVersion: texts.current, amountPattern: latest.amountPattern };
    const challenge: NewChallenge = {
      id: challengeId,
      ...route,
      // An erased number belongs to a closed signature, which the store refuses below.
      maskedDestination: number?.masked ?? "+*** *** ***",
      destination:
        opened &&
        commitDestination(primaryKey(keys.current().evidence), { signatureId, challengeId }, opened.to),
      textDigests: await this.#textDigests(latest, { ...made, ...style }),
      orderedBy: command.orderedBy,
      ...made,
      ...style,
    };
    const message = {
      provider: route.provider,
      countries: number?.countries ?? [],
      segments: opened?.segments ?? 1,
    };
    let startedAt = clock.now();
    let resend = await this.#resend(key, signatureId, challenge, message, isWanted);
    if (resend.outcome === "in_flight" && (await this.#settled(latest.challengeId, waitMs))) {
      startedAt = clock.now();
      resend = await this.#resend(key, signatureId, challenge, message, isWanted);
    }
    if (resend.outcome === "created" && number !== undefined) this.#deps.pumping?.sent(number, caller);
    return { challenge, startedAt, resend };
  }

  /** Which minutes the text tells is known with the challenge's creation: no more than are left now. */
  async #textDigests(
    material: ChallengeMaterial,
    rules: ChallengeRules & TextStyle,
  ): Promise<Record<number, string>> {
    const { signatureId, locale, lifeLeftMs } = material;
    const transaction = await openTransaction(this.#deps.keys, signatureId, material);
    const minutes = Array.from({ length: minutesOf(lifeLeftMs) }, (_, index) => index + 1);
    const digest = (minute: number) =>
      textDigest(
        maskedText(this.#deps.texts, locale, { ...rules, textLifeMs: minute * 60_000 }, transaction),
      );
    return Object.fromEntries(minutes.map((minute) => [minute, digest(minute)]));
  }

  async #resend(
    key: RequestKey,
    signatureId: string,
    challenge: NewChallenge,
    message: BudgetedMessage,
    isWanted: IsWanted,
  ): Promise<Resend> {
    const { budget, callerLimit, rules, signatures } = this.#deps;
    return await budgeted(budget, key.caller, message, (sent) =>
      admitted(callerLimit, key.caller, isWanted, async (admission) => {
        const limits = { ...rules, admittedUntil: admission.until };
        const resend = await signatures.resend(key, signatureId, challenge, limits);
        if (resend.outcome === "created") sent();
        if (resend.outcome === "replay" || resend.outcome === "in_flight") admission.giveBack();
        return resend;
      }),
    );
  }

  /** Looks up a parked challenge before another one takes its place; false where it is not parked. */
  async #settled(challengeId: string, waitMs: number): Promise<boolean> {
    const { clock, deliver, deliveries, inFlight, challenge } = this.#deps;
    const startedAt = clock.now();
    const material = await deliveries.resume(challengeId, challenge.leaseMs);
    if (material === undefined) return false;
    const settling = inFlight.start(challengeId, (signal) => deliver.settle(material, startedAt, signal));
    const waited = new AbortController();
    const over = clock.sleep(Math.max(0, waitMs), waited.signal).catch(() => undefined);
    await Promise.race([settling, over]);
    waited.abort();
    return true;
  }

  async #replayed(
    command: SendChallengeCommand,
    content: Readonly<Record<string, string>>,
    waitMs: number,
  ): Promise<{ signature: Signature; replayed: true } | undefined> {
    const { replay, signatures } = this.#deps;
    const { caller, signatureId, idempotencyKey } = command;
    const record = await signatures.findKey(caller, signatureId, idempotencyKey);
    if (record === undefined) return undefined;
    return { signature: await replay.execute(caller, record, content, waitMs), replayed: true };
  }
}

function refusal(resend: Exclude<Resend, { outcome: "created" }>): Failure {
  switch (resend.outcome) {
    case "closed":
      return closedFailure(resend.status);
    case "in_flight":
    case "too_soon":
      return new Failure("RESEND_TOO_SOON", "the last message is too recent", {
        retryAfterMs: Math.max(1, resend.retryAfterMs),
      });
    case "exhausted":
      return new Failure("RESENDS_EXHAUSTED", "no more messages for this signature");
    case "not_found":
      return new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    case "replay":
      return new Failure("SERVICE_UNAVAILABLE", "the first call with this key is not finished yet", {
        retryAfterMs: 1000,
      });
  }
}
