import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { oneTimeCodeIn } from "../../src/sandbox/one-time-code-in-text.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { type CallOptions, type GrpcClient, GrpcError } from "../support/grpc-client.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";
import { type FaultOptions, type Fraction, pick, planFaults } from "./chaos-faults.ts";

type Client = GrpcClient<typeof SignatureService>;

/** What one caller was told about one signature. */
export interface Story {
  readonly key: string;
  readonly to: string;
  /** Undefined until an answer has named it. */
  signatureId: string | undefined;
  closedAs: "completed" | "aborted" | undefined;
  /** Answers that contradict what was answered before, or that nobody should get. */
  readonly contradictions: string[];
}

interface Deps {
  readonly clients: readonly Client[];
  readonly double: TwilioDouble;
  readonly fraction: Fraction;
  readonly faults: FaultOptions;
}

/** How long a caller keeps on about one call; the replicas are never away for as long. */
const patienceMs = 30_000;

/** Callers of the bank, who do as the contract says: on UNAVAILABLE the same call again, with the same key. */
export class Callers {
  readonly stories: Story[] = [];
  /** Numbers whose messages get no receipts. */
  readonly silent = new Set<string>();
  readonly counts = { calls: 0, repeated: 0 };
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Starts signatures one after the other, each to the end of its story, until the signal fires. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) await this.#signature();
  }

  async #signature(): Promise<void> {
    const { double, fraction, faults } = this.#deps;
    const to = aPhoneNumber();
    if (planFaults(double, to, fraction, faults) === "silent") this.silent.add(to);
    // Some expire while they are being worked on.
    const seconds = fraction() < 0.1 ? 2 : 300;
    const request = aStartOf(to, { ttl: { seconds: BigInt(seconds), nanos: 0 } });
    const key = request.idempotencyKey ?? "";
    const story: Story = { key, to, signatureId: undefined, closedAs: undefined, contradictions: [] };
    this.stories.push(story);
    const start = () =>
      this.#persistently(story, "StartSignature", async (client, options) => {
        const { signature } = await client.startSignature(request, options);
        this.#named(story, signature?.id);
      });
    await start();
    if (story.signatureId === undefined) {
      story.contradictions.push("no answer named the signature");
      return;
    }
    const { signatureId } = story;
    const steps = [
      start,
      () => this.#resend(story, signatureId),
      () => this.#complete(story, signatureId),
      () => this.#completeWrongly(story, signatureId),
      () => this.#abort(story, signatureId),
      () => this.#get(story, signatureId),
    ];
    for (let n = Math.floor(fraction() * 4); n > 0; n -= 1) await pick(fraction, steps)();
  }

  #named(story: Story, signatureId: string | undefined): void {
    story.signatureId ??= signatureId;
    if (story.signatureId !== signatureId)
      story.contradictions.push("one key was answered with two signatures");
  }

  async #resend(story: Story, signatureId: string): Promise<void> {
    const idempotencyKey = randomUUID();
    await this.#persistently(story, "SendChallenge", async (client, options) => {
      const { signature } = await client.sendChallenge({ signatureId, idempotencyKey }, options);
      this.#named(story, signature?.id);
    });
  }

  async #complete(story: Story, signatureId: string): Promise<void> {
    const code = this.#codeOf(story);
    if (code === undefined) return;
    const end = await this.#persistently(story, "CompleteSignature", async (client, options) => {
      await client.completeSignature({ signatureId, code }, options);
    });
    if (end === "OK" || end === "SIGNATURE_CLOSED COMPLETED") this.#closed(story, "completed");
    if (end === "CODE_MISMATCH") story.contradictions.push("the right code was refused");
  }

  async #completeWrongly(story: Story, signatureId: string): Promise<void> {
    const code = this.#codeOf(story) === "000000" ? "000001" : "000000";
    const end = await this.#persistently(story, "CompleteSignature", async (client, options) => {
      await client.completeSignature({ signatureId, code }, options);
    });
    if (end === "OK") story.contradictions.push("a wrong code completed it");
  }

  async #abort(story: Story, signatureId: string): Promise<void> {
    const end = await this.#persistently(story, "AbortSignature", async (client, options) => {
      await client.abortSignature({ signatureId }, options);
    });
    if (end === "OK") this.#closed(story, "aborted");
  }

  async #get(story: Story, signatureId: string): Promise<void> {
    await this.#persistently(story, "GetSignature", async (client, options) => {
      const { signature } = await client.getSignature({ signatureId }, options);
      this.#named(story, signature?.id);
    });
  }

  #closed(story: Story, as: "completed" | "aborted"): void {
    story.closedAs ??= as;
    if (story.closedAs !== as) story.contradictions.push(`it was ${story.closedAs} and then ${as}`);
  }

  #codeOf({ to }: Story): string | undefined {
    const message = this.#deps.double.messagesTo(to)[0];
    return message === undefined ? undefined : (oneTimeCodeIn(message.body) ?? undefined);
  }

  /** Makes a call until something else than "try again" comes back: OK, or the reason, with the status it names. */
  async #persistently(
    story: Story,
    name: string,
    call: (client: Client, options: CallOptions) => Promise<void>,
  ): Promise<string> {
    const { clients, fraction } = this.#deps;
    const until = performance.now() + patienceMs;
    const ends: string[] = [];
    for (;;) {
      this.counts.calls += 1;
      const calledAt = performance.now();
      try {
        // Now and then somebody is in a hurry, and is answered before the work has ended.
        await call(pick(fraction, clients), { deadlineMs: fraction() < 0.1 ? 400 : 10_000 });
        return "OK";
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        const { code, reason, metadata } = error;
        if (metadata["signature_id"] !== undefined) this.#named(story, metadata["signature_id"]);
        if (reason === undefined && code !== "UNAVAILABLE" && code !== "DEADLINE_EXCEEDED") {
          story.contradictions.push(`${code}: ${error.message}`);
          return code;
        }
        const again = reason === undefined || reason === "SERVICE_UNAVAILABLE" || reason === "RATE_LIMITED";
        if (!again) return [reason, metadata["status"]].filter(Boolean).join(" ");
        ends.push(`${code} ${reason ?? ""} after ${Math.round(performance.now() - calledAt)} ms`);
        if (performance.now() > until) {
          story.contradictions.push(
            `${name}: no answer within ${patienceMs / 1000} s: ${ends.slice(-8).join(", ")}`,
          );
          return code;
        }
        this.counts.repeated += 1;
        await pause(20 + fraction() * 80);
      }
    }
  }
}
