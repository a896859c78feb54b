import { setTimeout as sleep } from "node:timers/promises";
import type { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { type GrpcClient, GrpcError } from "./grpc-client.ts";
import { aPhoneNumber, aStartOf } from "./signature-requests.ts";

/** One call on the wire. */
export interface Try {
  readonly begunAt: number;
  readonly tookMs: number;
  /** "OK", or code and reason. */
  readonly end: string;
}

/** One call as the caller's business sees it: however many tries with one key. */
export interface PersistentCall {
  readonly to: string;
  readonly tries: readonly Try[];
  /** Undefined: failed for the caller. */
  readonly signatureId: string | undefined;
}

interface Options {
  readonly client: GrpcClient<typeof SignatureService>;
  readonly callers: number;
  /** How often one call is tried; each try has 5 s. */
  readonly tries: number;
  readonly pauseMs: number;
}

/** Callers that do what the contract tells them: after UNAVAILABLE again, with the same key, and after nothing else. */
export class PersistentCallers {
  readonly calls: PersistentCall[] = [];
  /** Of calls that are not over too. */
  readonly tries: Try[] = [];
  readonly #options: Options;
  readonly #working: Promise<void>[];
  #stopped = false;

  constructor(options: Options) {
    this.#options = options;
    this.#working = Array.from({ length: options.callers }, () => this.#work());
  }

  /** Makes no new calls; resolves once the ones under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#working);
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.calls.push(await this.#call());
      await sleep(10);
    }
  }

  async #call(): Promise<PersistentCall> {
    const { client, pauseMs } = this.#options;
    const to = aPhoneNumber();
    const request = aStartOf(to);
    const tries: Try[] = [];
    for (;;) {
      const begunAt = performance.now();
      const ended = (end: string) => {
        const over = { begunAt, tookMs: performance.now() - begunAt, end };
        tries.push(over);
        this.tries.push(over);
      };
      try {
        const { signature } = await client.startSignature(request, { deadlineMs: 5000 });
        ended("OK");
        return { to, tries, signatureId: signature?.id };
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        ended(`${error.code} ${error.reason ?? ""}`.trim());
        if (error.code !== "UNAVAILABLE" || tries.length >= this.#options.tries) {
          return { to, tries, signatureId: undefined };
        }
      }
      await sleep(pauseMs);
    }
  }
}

/** How often each value stands in the list. */
export function countOf(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
