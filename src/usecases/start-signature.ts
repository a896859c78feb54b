import { amountPattern } from "../domain/amount-pattern.ts";
import type { CallerLimit } from "../domain/caller-limit.ts";
import type { Clock, Random } from "../domain/clock.ts";
import type { CodeDerivation } from "../domain/code-derivation.ts";
import { minorDigits } from "../domain/currencies.ts";
import { countedCustomerId } from "../domain/customer-id.ts";
import { commitDestination } from "../domain/destination.ts";
import { Failure } from "../domain/failure.ts";
import { requestFingerprint } from "../domain/fingerprint.ts";
import { type KeySource, keyedDigest, primaryKey, pseudonyms } from "../domain/keys.ts";
import type { StartLimits } from "../domain/limits.ts";
import { MASKED_CODE } from "../domain/message.ts";
import type { MessageBudget } from "../domain/message-budget.ts";
import { type Language, languageOf } from "../domain/message-templates.ts";
import type { MessageTexts } from "../domain/message-texts.ts";
import type { Observer } from "../domain/observation.ts";
import { textDigest } from "../domain/receipt.ts";
import {
  type AllowedCountries,
  type AllowedNumberTypes,
  checkDestination,
  checkNumberType,
  chooseRoute,
  type Route,
} from "../domain/routing.ts";
import { seal } from "../domain/seal.ts";
import type { Signature } from "../domain/signature.ts";
import type { SignatureReader } from "../domain/signature-reader.ts";
import type { Lease, NewSignature, RequestKey, SignatureStore } from "../domain/stores.ts";
import { canonicalDigest, canonicalTransaction } from "../domain/transaction.ts";
import { admitted, alwaysWanted, type IsWanted } from "./admitted.ts";
import { answer } from "./answer.ts";
import { budgeted } from "./budgeted.ts";
import type { DeliverChallenge } from "./deliver-challenge.ts";
import type { InFlight } from "./in-flight.ts";
import { challengeText, minutesOf, type OutgoingChallenge } from "./outgoing-challenge.ts";
import type { PumpingGuard } from "./pumping-guard.ts";
import type { Replay } from "./replay.ts";
import type { SignatureChanges } from "./signature-changes.ts";
import { requestContent, type StartSignatureCommand } from "./start-signature-command.ts";

/** A signature as it is now, and whether an earlier call with the same key made it. */
export interface StartedSignature {
  readonly signature: Signature;
  readonly replayed: boolean;
}

/** What every new challenge is made with. */
export interface ChallengeRules {
  readonly brand: string;
  readonly webOtpHost: string;
  /** Calls to the provider at most, the first included. */
  readonly calls: number;
  readonly leaseMs: number;
}

interface Deps {
  readonly signatures: SignatureStore;
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
  readonly observer: Observer;
  readonly routes: readonly Route[];
  readonly allowedCountries: AllowedCountries;
  readonly allowedNumberTypes: AllowedNumberTypes;
  readonly attempts: number;
  /** Of messages whose locale has no template. */
  readonly defaultLocale: string;
  readonly limits: StartLimits;
  readonly callerLimit: CallerLimit;
  /** Undefined: off. */
  readonly pumping: PumpingGuard | undefined;
  readonly budget: MessageBudget;
  readonly challenge: ChallengeRules;
}

/** What the customer signs: its canonical text, and that text's digest. */
interface Signed {
  readonly canonical: string;
  readonly digest: Buffer;
}

/** A signature to record, and its message, which the record is enough to make again. */
interface Composed {
  readonly record: NewSignature;
  readonly outgoing: OutgoingChallenge;
}

interface Recorded extends Composed {
  readonly signature: Signature;
  readonly lease: Lease;
  /** Monotonic instant before the statement was sent. */
  readonly startedAt: number;
}

/** Records a signature, then sends its first challenge; a known key answers what it made before. */
export class StartSignature {
  readonly #deps: Deps;
  readonly #recording = new Map<string, Promise<void>>();

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /**
   * @param waitMs how long the caller waits; the work goes on after it
   * @param isWanted whether it still waits; where it does not, nothing is begun
   * @throws Failure as the contract lists them
   */
  async execute(
    command: StartSignatureCommand,
    waitMs: number,
    isWanted: IsWanted = alwaysWanted,
  ): Promise<StartedSignature> {
    const { clock, deliver, inFlight, observer, pumping } = this.#deps;
    const canonical = canonicalTransaction(command.transaction);
    const signed = { canonical, digest: canonicalDigest(canonical) };
    const content = requestContent(command, signed);
    const entered = clock.now();
    const leftMs = () => waitMs - (clock.now() - entered);
    const replayed = () => this.#replayed(command, content, leftMs());

    // Calls with one key at the same time are one piece of new work: the others wait until it is recorded.
    const name = JSON.stringify([command.caller, command.idempotencyKey]);
    if (this.#recording.has(name)) {
      await this.#recording.get(name);
      const earlier = await replayed();
      if (earlier !== undefined) return earlier;
    }
    let recorded: Recorded | undefined;
    try {
      recorded = await this.#alone(name, this.#record(command, signed, content, isWanted));
    } catch (refusal) {
      if (!isWanted()) throw refusal;
      // What was started before is answered all the same.
      const earlier = await replayed();
      if (earlier === undefined) throw refusal;
      return earlier;
    }
    if (recorded === undefined) {
      const earlier = await replayed();
      if (earlier !== undefined) return earlier;
      throw new Failure("SERVICE_UNAVAILABLE", "the first call with this key is not finished yet", {
        retryAfterMs: 1000,
      });
    }
    const { record, outgoing, signature: started, lease, startedAt } = recorded;
    observer.observe({ type: "signature_started", warnings: command.warnings });
    pumping?.sent(command.phoneNumber, command.caller);
    const start = { lease, startedAt, calls: record.challenge.calls, lifeMs: command.ttlMs };
    const delivery = inFlight.start(outgoing.challengeId, (signal) => deliver.first(outgoing, start, signal));
    const signature = await answer(this.#deps, command.caller, started, delivery, leftMs());
    return { signature, replayed: false };
  }

  /** Records a new signature; undefined where the key is bound already. */
  async #record(
    command: StartSignatureCommand,
    signed: Signed,
    content: Readonly<Record<string, string | number>>,
    isWanted: IsWanted,
  ): Promise<Recorded | undefined> {
    const { allowedCountries, callerLimit, clock, keys, limits, pumping, routes, signatures } = this.#deps;
    const route = chooseRoute(routes, command.channel);
    checkDestination(allowedCountries, command.phoneNumber);
    checkNumberType(this.#deps.allowedNumberTypes, command.phoneNumber);
    pumping?.check(command.phoneNumber, command.caller);
    const fingerprintKey = primaryKey(keys.current().pseudonym);
    const key: RequestKey = {
      caller: command.caller,
      scope: "start",
      key: command.idempotencyKey,
      fingerprint: requestFingerprint(fingerprintKey.key, content),
      fingerprintKeyId: fingerprintKey.id,
    };
    const composed = await this.#compose(command, signed, route);
    const { countries } = command.phoneNumber;
    const { provider, segments } = composed.outgoing;
    const message = { provider, countries, segments };
    return await budgeted(this.#deps.budget, command.caller, message, (sent) =>
      admitted(callerLimit, command.caller, isWanted, async (admission) => {
        const startedAt = clock.now();
        const { until } = admission;
        const started = await signatures.start(key, composed.record, { ...limits, admittedUntil: until });
        if (started === undefined) {
          admission.giveBack();
          return undefined;
        }
        sent();
        return { ...composed, ...started, startedAt };
      }),
    );
  }

  /** Lets calls with the same key wait for this one. */
  async #alone<T>(name: string, recording: Promise<T>): Promise<T> {
    const settled = recording.then(
      () => undefined,
      () => undefined,
    );
    this.#recording.set(name, settled);
    try {
      return await recording;
    } finally {
      if (this.#recording.get(name) === settled) this.#recording.delete(name);
    }
  }

  async #replayed(
    command: StartSignatureCommand,
    content: Readonly<Record<string, string | number>>,
    waitMs: number,
  ): Promise<StartedSignature | undefined> {
    const record = await this.#deps.signatures.findKey(command.caller, "start", command.idempotencyKey);
    if (record === undefined) return undefined;
    const signature = await this.#deps.replay.execute(command.caller, record, content, waitMs);
    return { signature, replayed: true };
  }

  /** @throws Failure SERVICE_UNAVAILABLE where the pepper's keeper is away; nothing is recorded by then */
  async #compose(
    command: StartSignatureCommand,
    { canonical, digest }: Signed,
    route: Route,
  ): Promise<Composed> {
    const { keys, codes, random, challenge: rules, attempts, texts, defaultLocale } = this.#deps;
    const rings = keys.current();
    const sealKey = primaryKey(rings.phoneSeal);
    const pseudonymKey = primaryKey(rings.pseudonym);
    const id = random.uuid();
    const challengeId = random.uuid();
    const codeNonce = random.bytes(32);
    const codeKeyId = codes.currentKeyId();
    const binding = { signatureId: id, nonce: codeNonce, transactionDigest: digest };
    const code = await codes.code(codeKeyId, binding);
    const { transaction, phoneNumber } = command;
    // Kept as the language that the text is in: another default later makes no other text.
    const locale = languageOf(command.locale, languageOf(defaultLocale, "es"));
    const { brand, webOtpHost } = rules;
    const style = { textVersion: texts.current, amountPattern: patternOf(command, defaultLocale, locale) };
    const origin = { locale, brand, webOtpHost, ...style, textLifeMs: command.ttlMs, transaction };
    const message = challengeText(texts, { ...origin, code });
    const masked = challengeText(texts, { ...origin, code: MASKED_CODE }).text;
    const record: NewSignature = {
      id,
      customerPseudonym: keyedDigest(pseudonymKey.key, "customer-id-v1", command.customerId),
      customerKeyId: pseudonymKey.id,
      customerGuards: pseudonyms(rings.pseudonym, "customer-guard-v1", countedCustomerId(command.customerId)),
      phoneGuards: pseudonyms(rings.pseudonym, "phone-guard-v1", phoneNumber.e164),
      transactionDigest: digest,
      transactionSealed: seal(sealKey.key, id, "transaction-v1", canonical, random.bytes(12)),
      phoneSealed: seal(sealKey.key, id, "phone-number-v1", phoneNumber.e164, random.bytes(12)),
      sealKeyId: sealKey.id,
      codeNonce,
      codeKeyId,
      attempts,
      locale,
      firstFactor: command.firstFactor,
      ttlMs: command.ttlMs,
      challenge: {
        ...{ id: challengeId, ...route, maskedDestination: phoneNumber.masked, ...rules, ...style },
        destination: commitDestination(
          primaryKey(rings.evidence),
          { signatureId: id, challengeId },
          phoneNumber.e164,
        ),
        textDigests: { [minutesOf(command.ttlMs)]: textDigest(masked) },
      },
    };
    return {
      record,
      outgoing: { signatureId: id, challengeId, ...route, to: phoneNumber.e164, ...message },
    };
  }
}

/** How the amount is written: kept with the challenge, because another Node may know its region otherwise. */
function patternOf(
  { locale, transaction: { amount } }: StartSignatureCommand,
  defaultLocale: string,
  language: Language,
): string {
  if (amount === undefined) return "";
  return amountPattern(locale || defaultLocale, language, minorDigits(amount.currencyCode) ?? 2);
}
