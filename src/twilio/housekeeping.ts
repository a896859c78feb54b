import { ProviderError } from "../domain/provider.ts";
import { MessagesApi, type MessagesApiDeps } from "./messages-api.ts";
import { verdictOfUpkeep } from "./outcome.ts";

/** `later`: worth another try; `gone`: there is nothing left to do it to. */
export type HousekeepingResult = "done" | "later" | "gone";

/** What is owed to Twilio, and to the customer's privacy there, after a message has served. */
export class TwilioHousekeeping {
  readonly #api: MessagesApi;

  constructor(deps: MessagesApiDeps) {
    this.#api = new MessagesApi(deps, verdictOfUpkeep);
  }

  /**
   * Tells Twilio that the code was used (Message Feedback), which its delivery reports count. Only for
   * messages that were sent with ProvideFeedback.
   */
  async confirmFeedback(sid: string, signal: AbortSignal): Promise<HousekeepingResult> {
    return resultOf(
      this.#api.call((messages) => messages.get(sid).feedback.create({ outcome: "confirmed" }), signal),
      // Refused for this message, e.g. because it was sent without ProvideFeedback: that does not change.
      "gone",
    );
  }

  /** Empties the text that Twilio keeps. Possible once the message is final. */
  async redactBody(sid: string, signal: AbortSignal): Promise<HousekeepingResult> {
    return resultOf(
      this.#api.call((messages) => messages.get(sid).update({ body: "" }), signal),
      "later",
    );
  }
}

async function resultOf(
  call: Promise<unknown>,
  whenRefused: HousekeepingResult,
): Promise<HousekeepingResult> {
  try {
    await call;
    return "done";
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    if (error.providerErrorCode === "20404") return "gone";
    return error.outcome === "rejected" ? whenRefused : "later";
  }
}
