import { randomUUID } from "node:crypto";
import type { Challenge } from "../../src/domain/challenge.ts";
import { Failure } from "../../src/domain/failure.ts";
import { isOpen, type Signature, signatureAfter } from "../../src/domain/signature.ts";
import { transactionDigest } from "../../src/domain/transaction.ts";
import type { SignatureServiceDeps } from "../../src/grpc/signature-service.ts";
import type { AbortSignatureCommand } from "../../src/usecases/abort-signature.ts";
import type { CompletedSignature, CompleteSignatureCommand } from "../../src/usecases/complete-signature.ts";
import type { GetSignatureQuery, SignatureHistory } from "../../src/usecases/get-signature.ts";
import type { SendChallengeCommand } from "../../src/usecases/send-challenge.ts";
import type { StartedSignature } from "../../src/usecases/start-signature.ts";
import type { StartSignatureCommand } from "../../src/usecases/start-signature-command.ts";

type Entry = { caller: string; signature: Signature; challenges: Challenge[]; receipt: string };

/** The six use cases over a map: enough state to tell whether a request arrived as it was meant. */
export class SignatureUseCases {
  readonly code = "123456";
  readonly startCommands: StartSignatureCommand[] = [];
  readonly sendCommands: SendChallengeCommand[] = [];
  readonly completeCommands: CompleteSignatureCommand[] = [];
  readonly abortCommands: AbortSignatureCommand[] = [];
  /** Waits that Start and Send were given. */
  readonly waits: number[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #startedByKey = new Map<string, string>();
  readonly #changed = new Set<() => void>();
  #failure: unknown;
  #hold: { arrived: PromiseWithResolvers<void>; released: PromiseWithResolvers<void> } | undefined;

  /** The next call of any use case throws this. */
  failNext(failure: unknown): void {
    this.#failure = failure;
  }

  /** The next Start, Complete or Get stands still until released. */
  holdNext(): { arrived: Promise<void>; release(): void } {
    const hold = { arrived: Promise.withResolvers<void>(), released: Promise.withResolvers<void>() };
    this.#hold = hold;
    return { arrived: hold.arrived.promise, release: () => hold.released.resolve() };
  }

  get signatures(): Signature[] {
    return [...this.#entries.values()].map((entry) => entry.signature);
  }

  get watchers(): number {
    return this.#changed.size;
  }

  deps(closing: AbortSignal): SignatureServiceDeps {
    return {
      startSignature: { execute: (command, waitMs) => this.#start(command, waitMs) },
      sendChallenge: { execute: (command, waitMs) => this.#send(command, waitMs) },
      completeSignature: { execute: (command) => this.#complete(command) },
      abortSignature: { execute: (command) => this.#abort(command) },
      getSignature: { execute: (query) => this.#get(query) },
      watchSignature: { execute: (query, signal) => this.#watch(query, signal) },
      defaultTtlMs: 300_000,
      closing,
    };
  }

  async #start(command: StartSignatureCommand, waitMs: number): Promise<StartedSignature> {
    this.waits.push(waitMs);
    this.startCommands.push(command);
    await this.#pass();
    const key = `${command.caller} ${command.idempotencyKey}`;
    const known = this.#startedByKey.get(key);
    if (known) return { signature: this.#entry(command.caller, known).signature, replayed: true };
    const createdAt = new Date("2026-11-22T10:00:00.123Z");
    const expiresAt = new Date(createdAt.getTime() + command.ttlMs);
    const challenge: Challenge = {
      id: randomUUID(),
      channel: command.channel ?? "sms",
      provider: "twilio",
      status: "sent",
      maskedDestination: command.phoneNumber.masked,
      providerChallengeId: "SM00000000000000000000000000000001",
      providerProof: "proof",
      providerErrorCode: undefined,
      createdAt,
      sentAt: new Date(createdAt.getTime() + 500),
      deliveredAt: undefined,
      expiresAt,
      inProgress: false,
    };
    const signature: Signature = {
      id: randomUUID(),
      status: "challenge_sent",
      challenge,
      transactionDigest: transactionDigest(command.transaction).toString("hex"),
      attemptsRemaining: 3,
      createdAt,
      expiresAt,
      closedAt: undefined,
      abortReason: undefined,
      version: 1,
    };
    const { caller } = command;
    this.#entries.set(signature.id, { caller, signature, challenges: [challenge], receipt: "" });
    this.#startedByKey.set(key, signature.id);
    return { signature, replayed: false };
  }

  async #send(command: SendChallengeCommand, waitMs: number): Promise<StartedSignature> {
    this.waits.push(waitMs);
    this.sendCommands.push(command);
    await this.#pass();
    const entry = this.#entry(command.caller, command.signatureId);
    signatureAfter(entry.signature.status, "accept");
    const latest = entry.signature.challenge;
    const challenge = { ...latest, id: randomUUID(), channel: command.channel ?? latest.channel };
    entry.challenges = [...entry.challenges.slice(0, -1), { ...latest, status: "superseded" }, challenge];
    return { signature: this.#change(entry, { challenge }), replayed: false };
  }

  async #complete(command: CompleteSignatureCommand): Promise<CompletedSignature> {
    this.completeCommands.push(command);
    await this.#pass();
    const entry = this.#entry(command.caller, command.signatureId);
    const status = signatureAfter(entry.signature.status, "complete");
    if (command.code !== this.code) {
      const attemptsRemaining = entry.signature.attemptsRemaining - 1;
      this.#change(entry, { attemptsRemaining });
      throw new Failure("CODE_MISMATCH", "the code is wrong", {
        metadata: { attempts_remaining: String(attemptsRemaining) },
      });
    }
    entry.receipt = "header.claims.signature";
    const signature = this.#change(entry, { status, closedAt: new Date("2026-11-22T10:01:00Z") });
    return { signature, receipt: entry.receipt };
  }

  async #abort(command: AbortSignatureCommand): Promise<Signature> {
    this.abortCommands.push(command);
    await this.#pass();
    const entry = this.#entry(command.caller, command.signatureId);
    const status = signatureAfter(entry.signature.status, "abort");
    const abortReason = command.reason;
    return this.#change(entry, { status, abortReason, closedAt: new Date("2026-11-22T10:01:00Z") });
  }

  async #get(query: GetSignatureQuery): Promise<SignatureHistory> {
    await this.#pass();
    const { signature, challenges, receipt } = this.#entry(query.caller, query.signatureId);
    return {
      signature,
      challenges,
      timeline: [
        { number: 1, at: signature.createdAt, type: "SIGNATURE_STARTED", details: { channel: "sms" } },
      ],
      receipt,
    };
  }

  async *#watch(query: GetSignatureQuery, signal: AbortSignal): AsyncGenerator<Signature> {
    await this.#pass();
    const entry = this.#entry(query.caller, query.signatureId);
    let woken = Promise.withResolvers<void>();
    const wake = (): void => woken.resolve();
    signal.addEventListener("abort", wake);
    this.#changed.add(wake);
    try {
      for (let version = 0; !signal.aborted; await woken.promise) {
        woken = Promise.withResolvers();
        if (entry.signature.version === version) continue;
        version = entry.signature.version;
        yield entry.signature;
        if (!isOpen(entry.signature.status)) return;
      }
    } finally {
      this.#changed.delete(wake);
      signal.removeEventListener("abort", wake);
    }
  }

  #entry(caller: string, id: string): Entry {
    const entry = this.#entries.get(id);
    if (entry?.caller !== caller) throw new Failure("SIGNATURE_NOT_FOUND", "no such signature");
    return entry;
  }

  #change(entry: Entry, change: Partial<Signature>): Signature {
    entry.signature = { ...entry.signature, ...change, version: entry.signature.version + 1 };
    for (const wake of this.#changed) wake();
    return entry.signature;
  }

  async #pass(): Promise<void> {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
    const hold = this.#hold;
    this.#hold = undefined;
    hold?.arrived.resolve();
    await hold?.released.promise;
  }
}
