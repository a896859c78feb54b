import { EventEmitter, once } from "node:events";
import type { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { type GrpcClient, GrpcError } from "../support/grpc-client.ts";

const deadlineMs = 15_000;

/** Someone who only wants to be served, one call after another, while others attack. */
export class LegitimateCaller {
  #answered = 0;
  #going = true;
  readonly #events = new EventEmitter<{ answered: [] }>();
  readonly #work: Promise<void>;

  constructor(client: GrpcClient<typeof SignatureService>, signatureId: string) {
    this.#work = this.#call(client, signatureId);
    this.#work.catch(() => this.#events.emit("answered"));
  }

  /** Once it was answered so often more. @throws the error that it was answered instead */
  async more(count: number): Promise<void> {
    const until = this.#answered + count;
    while (this.#answered < until) await Promise.race([once(this.#events, "answered"), this.#work]);
  }

  /** @throws the error that it was answered, if any */
  async end(): Promise<void> {
    this.#going = false;
    await this.#work;
  }

  async #call(client: GrpcClient<typeof SignatureService>, signatureId: string): Promise<void> {
    while (this.#going) {
      try {
        await client.getSignature({ signatureId }, { deadlineMs });
        this.#answered += 1;
      } catch (error) {
        // What the contract says to ask again for; everything else is a call that was not served.
        if (!(error instanceof GrpcError && error.reason === "SERVICE_UNAVAILABLE")) throw error;
      }
      this.#events.emit("answered");
    }
  }
}
