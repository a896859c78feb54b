import type { Channel } from "../../src/domain/challenge.ts";
import {
  type CallPermit,
  type ChallengeMessage,
  type ChallengeQuery,
  LeaseLost,
  ProviderError,
  type ProviderResult,
  type SignatureProvider,
} from "../../src/domain/provider.ts";

export interface AcceptedMessage extends ChallengeMessage {
  readonly providerChallengeId: string;
  /** Milliseconds by the provider's clock. */
  readonly acceptedAt: number;
}

/** What one call meets. */
export interface CallFate {
  readonly error?: ProviderError;
  /** The message is taken all the same, and the answer lost. */
  readonly accepted?: boolean;
  /** The call waits for it, before anything is taken. */
  readonly until?: Promise<void>;
}

const toleranceMs = 5_000;

/** A provider in memory that keeps what it accepted, as the real one does; failures are laid out in advance. */
export class FakeProvider implements SignatureProvider {
  readonly name: string;
  readonly channel: Channel;
  /** Every call that was permitted, oldest first. */
  readonly calls: ChallengeMessage[] = [];
  /** Every message that a customer would get, oldest first. */
  readonly accepted: AcceptedMessage[] = [];
  lookUps = 0;
  available = true;
  /** While false, look-ups show nothing: Twilio promises not when a message is listed. */
  listing = true;
  /** While false, the list shows no texts, as that of an account that redacts at once. */
  listsTexts = true;
  readonly #now: () => number;
  readonly #fates: CallFate[] = [];
  readonly #lookUpErrors: ProviderError[] = [];
  #called = Promise.withResolvers<void>();

  constructor(options: { name?: string; channel?: Channel; now?: () => number } = {}) {
    this.name = options.name ?? "twilio";
    this.channel = options.channel ?? "sms";
    this.#now = options.now ?? Date.now;
  }

  /** The next call fails; with `accepted` its message is taken nevertheless. Calls queue up. */
  failNext(error: ProviderError, { accepted = false } = {}): void {
    this.#fates.push({ error, accepted });
  }

  /** The next call goes well. Stands between failures. */
  acceptNext(): void {
    this.#fates.push({});
  }

  /** The next call waits until it is released, or until its signal fires. */
  holdNext(fate: Pick<CallFate, "error" | "accepted"> = {}): { release(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#fates.push({ ...fate, until: promise });
    return { release: resolve };
  }

  failNextLookUp(error: ProviderError): void {
    this.#lookUpErrors.push(error);
  }

  /** Resolves once `count` calls were made since the start. */
  async called(count: number): Promise<ChallengeMessage[]> {
    while (this.calls.length < count) await this.#called.promise;
    return this.calls;
  }

  isAvailable(): boolean {
    return this.available;
  }

  async sendChallenge(
    message: ChallengeMessage,
    permit: CallPermit,
    signal: AbortSignal,
  ): Promise<ProviderResult> {
    if (signal.aborted) throw this.error("not_accepted", "timeout");
    if (!permit.mayBegin()) throw new LeaseLost();
    this.calls.push(message);
    this.#called.resolve();
    this.#called = Promise.withResolvers();
    const fate = this.#fates.shift() ?? {};
    if (fate.until !== undefined)
      await untilAborted(fate.until, signal, () => this.error("unknown", "timeout"));
    if (fate.error !== undefined && fate.accepted !== true) throw fate.error;
    const accepted = this.#accept(message);
    if (fate.error !== undefined) throw fate.error;
    return this.#resultOf(accepted);
  }

  async findChallenges(query: ChallengeQuery, signal: AbortSignal): Promise<ProviderResult[]> {
    this.lookUps += 1;
    if (signal.aborted) throw this.error("unknown", "timeout");
    const error = this.#lookUpErrors.shift();
    if (error !== undefined) throw error;
    const earliest = this.#now() - query.firstCallAgeMs - toleranceMs;
    return this.accepted
      .filter(
        ({ to, text, acceptedAt }) =>
          to === query.to && (!this.listsTexts || text.includes(query.text)) && acceptedAt >= earliest,
      )
      .filter(() => this.listing)
      .map((message) => this.#resultOf(message));
  }

  error(outcome: ProviderError["outcome"], providerErrorCode: string, retryable = outcome !== "rejected") {
    return new ProviderError({ provider: this.name, providerErrorCode, outcome, retryable });
  }

  #accept(message: ChallengeMessage): AcceptedMessage {
    const sid = `SM${String(this.accepted.length + 1).padStart(32, "0")}`;
    const accepted = { ...message, providerChallengeId: sid, acceptedAt: this.#now() };
    this.accepted.push(accepted);
    return accepted;
  }

  #resultOf({ providerChallengeId, acceptedAt }: AcceptedMessage): ProviderResult {
    return {
      providerChallengeId,
      providerProof: `fake;sid=${providerChallengeId}`,
      sentAt: new Date(acceptedAt),
    };
  }
}

async function untilAborted(
  held: Promise<void>,
  signal: AbortSignal,
  error: () => ProviderError,
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(error());
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([held, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
