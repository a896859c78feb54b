import { type CallPermit, LeaseLost, ProviderError, type ProviderResult } from "../../src/domain/provider.ts";
import type { Resolution, SendingPlan } from "../../src/domain/sending-policy.ts";
import type { ManualClock } from "../fakes/manual-clock.ts";

/** What one call does; `stops`: it fails as its signal fires; `deaf`: it never ends, whatever happens. */
export type Ending =
  | "accepted"
  | "rejected"
  | "busy"
  | "refused"
  | "unauthorised"
  | "unknown"
  | "lease_lost"
  | "stops"
  | "deaf";

export interface Step {
  readonly ending: Ending;
  readonly takesMs?: number;
  readonly retryAfterMs?: number;
  /** Thrown by a call that `stops`; undefined: it echoes the signal's reason. */
  readonly saying?: ProviderError;
  readonly resolution?: "found" | "absent" | "unknown";
  readonly resolveMs?: number;
}

const errors = {
  rejected: { providerErrorCode: "21211", outcome: "rejected", retryable: false },
  busy: { providerErrorCode: "20429", outcome: "not_accepted", retryable: true },
  refused: { providerErrorCode: "21606", outcome: "not_accepted", retryable: false },
  unauthorised: {
    providerErrorCode: "20003",
    outcome: "not_accepted",
    retryable: false,
    credentialsRefused: true,
  },
  unknown: { providerErrorCode: "http_500", outcome: "unknown", retryable: true },
} as const;

export const accepted: ProviderResult = {
  providerChallengeId: "SM1",
  providerProof: "proof",
  sentAt: new Date(0),
};
export const found: ProviderResult = { ...accepted, providerChallengeId: "SM2" };

export function providerError(kind: keyof typeof errors, retryAfterMs?: number): ProviderError {
  return new ProviderError({
    provider: "twilio",
    ...errors[kind],
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** A challenge and its provider, which do what a script says, one step a call, and keep what happened when. */
export class ScriptedPlan implements SendingPlan {
  readonly callsLeft: number;
  readonly lifeMs: number;
  /** E.g. "begin 0", with the milliseconds since the plan was made. */
  readonly log: string[] = [];
  /** The signal of each call. */
  readonly signals: AbortSignal[] = [];
  /** Milliseconds that begin() takes, and what it throws. */
  beginMs = 0;
  beginError: Error | undefined;
  newCredentials: boolean | Error = false;
  /** Milliseconds that a wait may take before the right to call ends. */
  mostWaitMs = Number.POSITIVE_INFINITY;
  readonly #clock: ManualClock;
  readonly #script: readonly Step[];
  readonly #madeAt: number;
  #begun = 0;

  constructor(
    clock: ManualClock,
    script: readonly Step[],
    limits: { callsLeft?: number; lifeMs?: number } = {},
  ) {
    this.#clock = clock;
    this.#script = script;
    this.#madeAt = clock.now();
    this.callsLeft = limits.callsLeft ?? 4;
    this.lifeMs = limits.lifeMs ?? 300_000;
  }

  /** When each call was begun, in milliseconds since the plan was made. */
  get begins(): number[] {
    return this.log.filter((line) => line.startsWith("begin ")).map((line) => Number(line.split(" ")[1]));
  }

  async begin(): Promise<CallPermit> {
    this.#write("begin");
    await this.#clock.sleep(this.beginMs);
    if (this.beginError !== undefined) throw this.beginError;
    this.#begun += 1;
    return { mayBegin: () => true };
  }

  mayWait(ms: number): boolean {
    return ms <= this.mostWaitMs;
  }

  async call(_permit: CallPermit, signal: AbortSignal): Promise<ProviderResult> {
    this.#write("call");
    this.signals.push(signal);
    const step = this.#step();
    if (step.ending === "deaf") return new Promise(() => {});
    if (step.ending === "stops") {
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      throw step.saying ?? signal.reason;
    }
    await this.#clock.sleep(step.takesMs ?? 0, signal);
    if (step.ending === "accepted") return accepted;
    if (step.ending === "lease_lost") throw new LeaseLost();
    throw providerError(step.ending, step.retryAfterMs);
  }

  async failed(error: ProviderError): Promise<void> {
    this.#write(`failed ${error.providerErrorCode}`);
  }

  async resolve(error: ProviderError, signal: AbortSignal): Promise<Resolution> {
    this.#write(`resolve ${error.providerErrorCode}`);
    const step = this.#step();
    await this.#clock.sleep(step.resolveMs ?? 0, signal);
    const resolution = step.resolution ?? "unknown";
    return resolution === "found" ? found : resolution;
  }

  async refreshCredentials(): Promise<boolean> {
    this.#write("refresh");
    if (this.newCredentials instanceof Error) throw this.newCredentials;
    return this.newCredentials;
  }

  #step(): Step {
    return this.#script[this.#begun - 1] ?? { ending: "accepted" };
  }

  #write(event: string): void {
    const [what, ...rest] = event.split(" ");
    this.log.push([what, this.#clock.now() - this.#madeAt, ...rest].join(" "));
  }
}
