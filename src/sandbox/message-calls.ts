import type { Exchange } from "./exchange.ts";
import { messageResource, rfc2822, type SandboxMessage } from "./sandbox-message.ts";
import { errorBody, type TwilioError } from "./twilio-error.ts";

type Deps = {
  clock: () => number;
  changed: (message: SandboxMessage) => void;
};

/** What can be done to one message: redact, cancel, delete, feedback. */
export class MessageCalls {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** An empty Body redacts, Status=canceled cancels what is scheduled; one at a time. */
  update(exchange: Exchange, message: SandboxMessage, form: URLSearchParams): void {
    const body = form.get("Body");
    const status = form.get("Status");
    if (
      (body !== null) === (status !== null) ||
      (body ?? "") !== "" ||
      (status ?? "canceled") !== "canceled"
    ) {
      fail(exchange, {
        status: 400,
        code: 30400,
        message: "Invalid update: set Body to empty, or Status to canceled",
      });
      return;
    }
    if (body === "") {
      // Twilio's code for redacting too early is not documented; this is the one for deleting too early.
      if (!message.final) {
        tooEarly(exchange);
        return;
      }
      message.redacted = true;
    } else {
      if (message.status !== "scheduled") {
        fail(exchange, { status: 400, code: 30409, message: "This message cannot be canceled" });
        return;
      }
      message.status = "canceled";
      message.final = true;
    }
    message.updatedAt = this.#deps.clock();
    this.#deps.changed(message);
    answer(exchange, messageResource(message));
  }

  remove(exchange: Exchange, message: SandboxMessage): void {
    if (!message.final) {
      tooEarly(exchange);
      return;
    }
    message.deleted = true;
    this.#deps.changed(message);
    exchange.send({ status: 204, body: "" });
  }

  /** Only for messages created with ProvideFeedback=true; the outcome is `confirmed` unless said otherwise. */
  giveFeedback(exchange: Exchange, message: SandboxMessage, form: URLSearchParams): void {
    const outcome = form.get("Outcome") ?? "confirmed";
    if (!message.provideFeedback || (outcome !== "confirmed" && outcome !== "unconfirmed")) {
      fail(exchange, { status: 400, code: 20001, message: "Feedback cannot be given for this message" });
      return;
    }
    message.feedback = outcome;
    this.#deps.changed(message);
    const now = rfc2822(this.#deps.clock());
    answer(exchange, {
      account_sid: message.accountSid,
      message_sid: message.sid,
      outcome,
      date_created: now,
      date_updated: now,
      uri: `/2010-04-01/Accounts/${message.accountSid}/Messages/${message.sid}/Feedback.json`,
    });
  }
}

function answer(exchange: Exchange, resource: object): void {
  exchange.send({ status: 200, body: JSON.stringify(resource) });
}

function fail(exchange: Exchange, error: TwilioError): void {
  exchange.send({ status: error.status, body: errorBody(error) });
}

function tooEarly(exchange: Exchange): void {
  fail(exchange, {
    status: 400,
    code: 20009,
    message: "Cannot delete this resource before it is complete",
  });
}
