import type { Observation, Observer } from "../domain/observation.ts";
import { uuidTime } from "../domain/uuid.ts";
import type { Instruments } from "./instruments.ts";
import type { Logger } from "./logger.ts";
import { metricDefinitions } from "./metric-definitions.ts";
import { boundedErrorCode } from "./provider-error-code.ts";
import { faultTexts, type RepeatedFaults } from "./repeated-faults.ts";

interface Deps {
  readonly logger: Logger;
  readonly instruments: Instruments;
  readonly faults: RepeatedFaults;
  /** Milliseconds since 1970, as the ids of challenges count them. */
  readonly now: () => number;
}

type Of<Type extends Observation["type"]> = Extract<Observation, { type: Type }>;
type OfChallenge = Omit<Of<"taken_over">, "type">;

/** Makes log lines and counts of what the use cases report. */
export class TelemetryObserver implements Observer {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  observe(observation: Observation): void {
    switch (observation.type) {
      case "signature_started":
        this.#deps.instruments.started.add(1);
        for (const warning of observation.warnings) this.#deps.instruments.warnings.add(1, { warning });
        break;
      case "signature_closed":
        this.#closed(observation);
        break;
      case "code_rejected":
        this.#codeRejected(observation);
        break;
      case "message_composed":
        this.#composed(observation);
        break;
      case "challenge_sent":
        this.#sent(observation);
        break;
      case "provider_failed":
        this.#providerFailed(observation);
        break;
      case "sending_failed":
        this.#sendingFailed(observation);
        break;
      case "looked_up":
        this.#lookedUp(observation);
        break;
      case "taken_over":
        this.#takenOver(observation);
        break;
      case "duplicate_sent":
        this.#duplicate(observation);
        break;
      case "receipt":
        this.#receipt(observation);
        break;
      case "receipt_mismatch":
        this.#receiptMismatch(observation);
        break;
      case "customer_locked_out":
        this.#lockedOut(observation);
        break;
      case "pumping_suspected":
        this.#pumpingSuspected(observation);
        break;
      case "budget_nearly_used":
        this.#budgetNearlyUsed(observation);
        break;
      case "statement_repeated":
        this.#statementRepeated(observation);
        break;
      case "checkpoint_missing":
        this.#deps.instruments.checkpointsMissing.add(1);
        this.#deps.logger.error("checkpoint missing", { day: observation.day });
        break;
      case "checkpoint_delivery":
        this.#checkpointDelivery(observation);
        break;
      case "upkeep_failed":
        this.#upkeepFailed(observation);
        break;
      case "upkeep_recovered":
        this.#deps.faults.recovered(faultTexts.upkeep, observation.step);
        break;
      default:
        observation satisfies never;
    }
  }

  #closed({ status, count }: Of<"signature_closed">): void {
    const { logger, instruments } = this.#deps;
    if (status === "pending" || status === "challenge_sent") return;
    instruments.closed.add(count, { status });
    if (status === "completed") instruments.attempts.add(count, { result: "match" });
    logger.debug("signatures closed", { status, count });
  }

  #codeRejected({ signatureId }: Of<"code_rejected">): void {
    this.#deps.instruments.attempts.add(1, { result: "mismatch" });
    this.#deps.logger.info("code rejected", { signature_id: signatureId });
  }

  #composed({ encoding, segments, ...observation }: Of<"message_composed">): void {
    this.#deps.instruments.messages.add(1, {
      encoding: encoding === "GSM-7" || encoding === "UCS-2" ? encoding : "other",
      segments: segments === 1 ? "1" : segments === 2 ? "2" : segments === 3 ? "3" : "more",
    });
    this.#deps.logger.debug("message composed", { ...idsOf(observation), encoding, segments });
  }

  #sent(observation: Of<"challenge_sent">): void {
    this.#countSending(observation, "success");
    this.#age(observation, "accepted");
    this.#deps.logger.info("challenge sent", {
      ...idsOf(observation),
      message_sid: observation.providerChallengeId,
      known_by: observation.knownBy,
    });
  }

  /**
   * Counted by the policy's listener, which also knows how long the call took. A line for each call, since it is what
   * tells a challenge's code and attempt; where all calls fail, the breaker opens, and there are no more.
   */
  #providerFailed(observation: Of<"provider_failed">): void {
    if (observation.accountAtFault) this.#countAccountRefusal("answer", observation.errorCode);
    this.#deps.logger.error("provider call failed", {
      ...idsOf(observation),
      error_code: boundedErrorCode(observation.errorCode),
      attempt: observation.attempt,
      outcome: observation.outcome,
    });
  }

  #sendingFailed(observation: Of<"sending_failed">): void {
    const { logger, instruments } = this.#deps;
    // A refusal is not accepted either, so it counts as failed though nothing was left to retry.
    this.#countSending(observation, "failed_all_retries");
    instruments.sendingFailures.add(1, { kind: observation.refused ? "refused" : "given_up" });
    logger.warn(observation.refused ? "challenge refused by the provider" : "all retries exhausted", {
      ...idsOf(observation),
      error_code: boundedErrorCode(observation.errorCode),
    });
  }

  #lookedUp(observation: Of<"looked_up">): void {
    const { found } = observation;
    this.#deps.instruments.lookUps.add(1, { found });
    this.#deps.logger.info("challenge looked up", { ...idsOf(observation), found });
  }

  #takenOver(observation: Of<"taken_over">): void {
    this.#deps.instruments.takeOvers.add(1);
    this.#deps.logger.warn("challenge taken over", idsOf(observation));
  }

  #duplicate(observation: Of<"duplicate_sent">): void {
    this.#deps.instruments.duplicates.add(1);
    this.#deps.logger.warn("challenge sent twice", {
      ...idsOf(observation),
      message_sid: observation.providerChallengeId,
    });
  }

  #receipt(observation: Of<"receipt">): void {
    const { logger, instruments } = this.#deps;
    const { status, errorCode, accountAtFault } = observation;
    instruments.receipts.add(1, { status });
    if (accountAtFault) this.#countAccountRefusal("receipt", errorCode);
    if (status === "delivered") {
      this.#age(observation, "delivered");
      logger.info("challenge delivered", idsOf(observation));
    } else {
      logger.warn("challenge not delivered", {
        ...idsOf(observation),
        error_code: boundedErrorCode(errorCode),
      });
    }
  }

  #receiptMismatch(observation: Of<"receipt_mismatch">): void {
    const { fault } = observation;
    this.#deps.instruments.receiptMismatches.add(1, { fault });
    this.#deps.logger.error("receipt does not fit its challenge", { ...idsOf(observation), fault });
  }

  #lockedOut({ caller, signatureId, step, untilFreed }: Of<"customer_locked_out">): void {
    this.#deps.instruments.lockouts.add(1, { until_freed: untilFreed });
    const fields = { caller, signature_id: signatureId, count: step, until_freed: untilFreed };
    this.#deps.logger.warn("customer locked out", fields);
  }

  #pumpingSuspected({ kind, name, messages, completions }: Of<"pumping_suspected">): void {
    const { logger, instruments } = this.#deps;
    instruments.pumpingSuspicions.add(1, { kind });
    // Whatever comes here, a whole number does not go further.
    const suspect = { prefix: "number_prefix", country: "country", caller: "caller" } as const;
    const shown = { [suspect[kind]]: kind === "caller" ? name : name.slice(0, 10) };
    logger.warn("sms pumping suspected", { ...shown, count: messages, completed: completions });
  }

  #checkpointDelivery({ sink, day, result, cause }: Of<"checkpoint_delivery">): void {
    const { instruments, logger } = this.#deps;
    instruments.checkpointDeliveries.add(1, { sink, result });
    if (result === "delivered") logger.info("checkpoint delivered", { day, sink });
    else logger.warn("checkpoint not delivered", { day, sink, outcome: result }, cause);
  }

  #budgetNearlyUsed({ scope, caller, unit, share }: Of<"budget_nearly_used">): void {
    const whose = scope === "caller" ? { caller } : {};
    this.#deps.logger.warn("message budget nearly used", { ...whose, budget: unit, share });
  }

  #statementRepeated({ statement, calls }: Of<"statement_repeated">): void {
    const known = metricDefinitions.repeatedCalls.labels.statement.find((name) => name === statement);
    this.#deps.instruments.repeatedCalls.add(calls, { statement: known ?? "other" });
  }

  #upkeepFailed({ step, cause }: Of<"upkeep_failed">): void {
    this.#deps.instruments.upkeepFailures.add(1, { step: knownStep(step) });
    this.#deps.faults.failed(faultTexts.upkeep, step, cause);
  }

  #countAccountRefusal(seenIn: "answer" | "receipt", errorCode: string): void {
    const error_code = boundedErrorCode(errorCode);
    this.#deps.instruments.accountRefusals.add(1, { seen_in: seenIn, error_code });
  }

  #countSending({ provider }: OfChallenge, status: "success" | "failed_all_retries"): void {
    if (provider === "twilio") this.#deps.instruments.providerCalls.add(1, { status });
  }

  /** Any replica may see the end, so the beginning is read from the id: UUIDv7 (RFC 9562) tells it. */
  #age({ challengeId }: OfChallenge, until: "accepted" | "delivered"): void {
    const createdAt = uuidTime(challengeId);
    if (createdAt === undefined) return;
    const seconds = Math.max(0, this.#deps.now() - createdAt) / 1000;
    this.#deps.instruments.timeToDeliver.record(seconds, { until });
  }
}

function idsOf({ signatureId, challengeId, provider }: OfChallenge) {
  return { signature_id: signatureId, challenge_id: challengeId, provider };
}

type Step = (typeof metricDefinitions.upkeepFailures.labels.step)[number];

function knownStep(step: string): Step {
  return metricDefinitions.upkeepFailures.labels.step.find((known) => known === step) ?? "other";
}
