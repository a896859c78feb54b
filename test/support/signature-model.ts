import {
  type ChallengeEvent,
  type ChallengeStatus,
  challengeTransitions,
  openChallengeStatuses,
} from "../../src/domain/challenge.ts";
import {
  isOpen,
  type SignatureEvent,
  type SignatureStatus,
  signatureAfter,
} from "../../src/domain/signature.ts";
import type { AcceptanceSource, Verdict } from "../../src/domain/stores.ts";

export interface ModelChallenge {
  readonly id: string;
  status: ChallengeStatus;
  sid: string | undefined;
  errorCode: string | undefined;
  delivered: boolean;
  epoch: number;
  calls: number;
  callsLeft: number;
  messages: number;
  lastCallAt: number;
  /** Undefined where nobody has work to do. */
  leaseUntil: number | undefined;
  parked: boolean;
}

export const modelRules = { attempts: 3, calls: 4, leaseMs: 20_000, cooldownMs: 30_000, most: 2 };

/** What a signature is to do, in memory and without races: every status comes out of the transition tables. */
export class SignatureModel {
  status: SignatureStatus = "pending";
  attempts = modelRules.attempts;
  closedAt: number | undefined;
  readonly expiresAt: number;
  readonly challenges: ModelChallenge[] = [];
  readonly timeline = ["SIGNATURE_STARTED"];
  readonly #duplicates = new Set<string>();
  readonly #reports = new Set<string>();

  constructor(challengeId: string, now: number, ttlMs: number) {
    this.expiresAt = now + ttlMs;
    this.#add(challengeId, now);
  }

  get latest(): ModelChallenge {
    const latest = this.challenges.at(-1);
    if (latest === undefined) throw new Error("a signature has a challenge");
    return latest;
  }

  /** As callers see it: past its life it is expired, recorded or not. */
  seen(now: number): {
    status: SignatureStatus;
    closedAt: number | undefined;
    challenges: ChallengeStatus[];
  } {
    const isOver = isOpen(this.status) && now >= this.expiresAt;
    const statuses = this.challenges.map(({ status }) => status);
    if (!isOver) return { status: this.status, closedAt: this.closedAt, challenges: statuses };
    const challenges = statuses.map((status) =>
      openChallengeStatuses.includes(status) ? "expired" : status,
    );
    return { status: "expired", closedAt: this.expiresAt, challenges };
  }

  accept(challenge: ModelChallenge, sid: string, source: AcceptanceSource): string {
    const isKnown = challenge.sid === sid || this.#duplicates.has(sid);
    // A list shows other challenges' messages too: no challenge has more of them than calls.
    if (!isKnown && source === "look_up" && challenge.messages >= challenge.calls) return "elsewhere";
    if (!isKnown && source === "receipt" && challenge.messages > 0 && challenge.messages >= challenge.calls)
      return "surplus";
    challenge.leaseUntil = undefined;
    if (isKnown) return "nothing_new";
    challenge.messages += 1;
    if (challenge.sid !== undefined) {
      this.#duplicates.add(sid);
      this.timeline.push("DUPLICATE_SENT");
      return "duplicate";
    }
    challenge.sid = sid;
    this.#fact(challenge, "accept");
    if (isOpen(this.status)) this.status = signatureAfter(this.status, "accept");
    this.timeline.push(...(source === "look_up" ? ["LOOKED_UP"] : []), "CHALLENGE_SENT");
    return "sent";
  }

  refuse(challenge: ModelChallenge, errorCode: string): void {
    challenge.leaseUntil = undefined;
    if (challenge.sid === undefined && challenge.errorCode === errorCode) return;
    if (challenge.sid === undefined) challenge.errorCode = errorCode;
    this.#fact(challenge, "refuse");
    this.timeline.push("CHALLENGE_REFUSED");
  }

  receipt(challenge: ModelChallenge, sid: string, errorCode: string | undefined): boolean {
    const report = JSON.stringify([challenge.id, sid, errorCode]);
    const isKept = this.#reports.has(report);
    this.#reports.add(report);
    const isOld = challenge.delivered || (errorCode !== undefined && challenge.errorCode !== undefined);
    if (challenge.sid !== sid || isOld) {
      if (!isKept) this.timeline.push("PROVIDER_REPORTED");
      return false;
    }
    challenge.errorCode = errorCode;
    challenge.delivered = errorCode === undefined;
    this.#fact(challenge, errorCode === undefined ? "deliver" : "undeliver");
    this.timeline.push(errorCode === undefined ? "CHALLENGE_DELIVERED" : "CHALLENGE_UNDELIVERED");
    return true;
  }

  complete(verdict: Verdict, now: number): string {
    if (!this.#lives(now)) return "closed";
    if (verdict === "match") {
      this.#close("complete", "complete", now, "SIGNATURE_COMPLETED");
      return "completed";
    }
    this.attempts -= 1;
    this.timeline.push(verdict === "code_mismatch" ? "CODE_REJECTED" : "TRANSACTION_MISMATCH");
    if (this.attempts > 0) return "rejected";
    this.#close("fail", "cancel", now, "SIGNATURE_FAILED");
    return "failed";
  }

  abort(now: number): string {
    if (!this.#lives(now)) return "closed";
    this.#close("abort", "cancel", now, "SIGNATURE_ABORTED");
    return "aborted";
  }

  /** The sweeper's round. */
  expire(now: number): void {
    if (isOpen(this.status) && now >= this.expiresAt) {
      this.#close("expire", "expire", this.expiresAt, "SIGNATURE_EXPIRED");
    }
  }

  resend(challengeId: string, now: number): string {
    const accepted = this.challenges.filter(({ sid }) => sid !== undefined);
    if (!this.#lives(now)) return "closed";
    if (this.latest.leaseUntil !== undefined) return "in_flight";
    if (accepted.some(({ lastCallAt }) => lastCallAt + modelRules.cooldownMs > now)) return "too_soon";
    if (accepted.length > modelRules.most) return "exhausted";
    this.#fact(this.latest, "supersede");
    this.timeline.push("CHALLENGE_SUPERSEDED");
    this.#add(challengeId, now);
    return "created";
  }

  beginCall(challenge: ModelChallenge, epoch: number, now: number): boolean {
    const isOwner = challenge.epoch === epoch && challenge.leaseUntil !== undefined;
    if (!isOwner || challenge.status !== "pending" || challenge.callsLeft === 0 || !this.#lives(now))
      return false;
    challenge.calls += 1;
    challenge.callsLeft -= 1;
    challenge.lastCallAt = now;
    challenge.leaseUntil = now + modelRules.leaseMs;
    return true;
  }

  /** A fact about a call; the owner's also renews the lease. */
  note(challenge: ModelChallenge, epoch: number, now: number, type: string): void {
    this.timeline.push(type);
    if (challenge.epoch === epoch && challenge.leaseUntil !== undefined) {
      challenge.leaseUntil = now + modelRules.leaseMs;
    }
  }

  giveUp(challenge: ModelChallenge, epoch: number): boolean {
    if (challenge.epoch !== epoch) return false;
    if (challenge.leaseUntil === undefined) return challenge.status === "pending";
    challenge.leaseUntil = undefined;
    this.timeline.push("CHALLENGE_GIVEN_UP");
    return true;
  }

  park(challenge: ModelChallenge, epoch: number, until: number): void {
    if (challenge.epoch !== epoch || challenge.leaseUntil === undefined) return;
    challenge.leaseUntil = until;
    challenge.parked = true;
  }

  takeUp(challenge: ModelChallenge, now: number): boolean {
    if (challenge.status !== "pending" || challenge.leaseUntil !== undefined || !this.#lives(now))
      return false;
    challenge.callsLeft = modelRules.calls;
    this.timeline.push("CHALLENGE_TAKEN_OVER");
    this.#lease(challenge, now);
    return true;
  }

  resume(challenge: ModelChallenge, now: number): boolean {
    if (challenge.leaseUntil === undefined || !challenge.parked) return false;
    this.#lease(challenge, now);
    return true;
  }

  takeOver(now: number): void {
    for (const challenge of this.challenges) {
      if (challenge.leaseUntil === undefined || challenge.leaseUntil > now) continue;
      if (!challenge.parked) this.timeline.push("CHALLENGE_TAKEN_OVER");
      this.#lease(challenge, now);
    }
  }

  #lives(now: number): boolean {
    return isOpen(this.status) && now < this.expiresAt;
  }

  #lease(challenge: ModelChallenge, now: number): void {
    challenge.epoch += 1;
    challenge.leaseUntil = now + modelRules.leaseMs;
    challenge.parked = false;
  }

  #close(event: SignatureEvent, ofLatest: ChallengeEvent, at: number, type: string): void {
    this.status = signatureAfter(this.status, event);
    this.closedAt = at;
    this.#fact(this.latest, ofLatest);
    this.timeline.push(type);
  }

  #fact(challenge: ModelChallenge, event: ChallengeEvent): void {
    challenge.status = challengeTransitions[challenge.status][event] ?? challenge.status;
  }

  #add(id: string, now: number): void {
    this.timeline.push("CHALLENGE_CREATED");
    this.challenges.push({
      ...{ id, status: "pending", sid: undefined, errorCode: undefined, delivered: false, epoch: 1 },
      ...{
        calls: 1,
        callsLeft: modelRules.calls - 1,
        messages: 0,
        lastCallAt: now,
        leaseUntil: now + modelRules.leaseMs,
        parked: false,
      },
    });
  }
}
