import { setTimeout as pause } from "node:timers/promises";
import type { SignatureService } from "../../src/gen/bank/signature/v1/signature_service_pb.ts";
import { oneTimeCodeIn } from "../../src/sandbox/one-time-code-in-text.ts";
import type { TwilioDouble } from "../../src/sandbox/twilio-double.ts";
import { type GrpcClient, GrpcError } from "../support/grpc-client.ts";
import { aPhoneNumber, aStartOf } from "../support/signature-requests.ts";

interface Deps {
  /** May change while they sign. */
  readonly clients: readonly GrpcClient<typeof SignatureService>[];
  readonly double: TwilioDouble;
}

/** Of one customer, between two steps. */
const restMs = 100;

/** Customers who start signatures and complete them, one after the other, until a signal fires. */
export class Customers {
  readonly counts: Record<string, number> = {};
  /** What they do from now on. */
  payee = "ACME SL";
  mistypes = false;
  /** Longer than a call to Twilio may take, so that answers come and not deadlines. */
  deadlineMs = 8_000;
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  async sign(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#signature().catch((error: unknown) => {
        if (!(error instanceof GrpcError)) throw error;
        this.#count(error.reason ?? error.code);
      });
      await pause(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #signature(): Promise<void> {
    const to = aPhoneNumber();
    const { deadlineMs } = this;
    const transaction = {
      ...{ type: "transfer", payee: this.payee, payeeAccount: "ES9121000418450200051332" },
      amount: { currencyCode: "EUR", units: 1250n },
    };
    const { signature } = await this.#client().startSignature(aStartOf(to, { transaction }), { deadlineMs });
    this.#count("started");
    const signatureId = signature?.id ?? "";
    await this.#client().getSignature({ signatureId }, { deadlineMs });
    const body = this.#deps.double.messagesTo(to)[0]?.body;
    const code = body === undefined ? null : oneTimeCodeIn(body);
    if (code === null) return;
    const wrong = code === "000000" ? "000001" : "000000";
    await this.#client().completeSignature(
      { signatureId, code: this.mistypes ? wrong : code },
      { deadlineMs },
    );
    this.#count("completed");
  }

  #client(): GrpcClient<typeof SignatureService> {
    const { clients } = this.#deps;
    const client = clients[Math.floor(Math.random() * clients.length)];
    if (client === undefined) throw new Error("no replica is left");
    return client;
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
