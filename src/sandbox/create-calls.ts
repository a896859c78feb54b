import { type Behaviour, deliveryPlan } from "./behaviour.ts";
import type { CallAnswer, CreateCall } from "./call-record.ts";
import type { CreateParameters } from "./create-parameters.ts";
import type { Delivery } from "./delivery.ts";
import type { Answer, Exchange } from "./exchange.ts";
import type { MessageLog } from "./message-log.ts";
import { messageResource, newMessage, type SandboxMessage } from "./sandbox-message.ts";
import type { CreateStep, DeliveryPlan, StatusStep } from "./steps.ts";
import type { TimerGroup } from "./timers.ts";
import { errorBody, refusal, statusError, type TwilioError } from "./twilio-error.ts";

const badGatewayPage =
  "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";

type Deps = {
  accountSid: string;
  behaviour: Behaviour;
  messages: MessageLog;
  delivery: Delivery;
  timers: TimerGroup;
  clock: () => number;
  messageSid: () => string;
  accepted: (message: SandboxMessage, call: CreateCall) => void;
  answered: (call: CreateCall) => void;
};

/** Carries out create calls, each by the step it meets. */
export class CreateCalls {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  run(exchange: Exchange, call: CreateCall, parameters: CreateParameters, step: CreateStep): void {
    const accept = () => this.#accept(call, parameters, "delivery" in step ? step.delivery : undefined);
    const settle = (status: CallAnswer["status"]) => this.#settle(call, { status, code: null });
    switch (step.kind) {
      case "accept":
        this.#answer(exchange, call, accept());
        return;
      case "latency":
        this.#deps.timers.after(step.ms, () => this.#answer(exchange, call, accept()));
        return;
      case "late_answer": {
        const answer = accept();
        this.#deps.timers.after(step.ms, () => this.#answer(exchange, call, answer));
        return;
      }
      case "refuse":
        this.refuse(exchange, call, {
          ...refusal(step.code, parameters.to, parameters.from ?? ""),
          status: step.status ?? 400,
        });
        return;
      case "status":
        if (step.accept === true) accept();
        this.#answer(exchange, call, statusAnswer(step), step.code ?? statusError(step.status).code);
        return;
      case "redirect": {
        const location = step.location ?? `${exchange.path}?Redirected=true`;
        this.#answer(exchange, call, { status: 307, body: "", headers: { Location: location } });
        return;
      }
      case "hang_before_accept":
        settle("none");
        return;
      case "hang_after_accept":
        accept();
        settle("none");
        return;
      case "reset_before_accept":
        exchange.reset();
        settle("reset");
        return;
      case "reset_after_accept":
        accept();
        exchange.reset();
        settle("reset");
        return;
      case "truncated":
        exchange.sendTruncated(accept());
        settle("cut off");
        return;
      case "empty":
        this.#answer(exchange, call, { ...accept(), body: "" });
        return;
      case "drip":
        exchange.sendDripping(accept(), step.everyMs, step.bytes);
        settle("dripping");
        return;
    }
  }

  refuse(exchange: Exchange, call: CreateCall, error: TwilioError): void {
    this.#answer(exchange, call, { status: error.status, body: errorBody(error) }, error.code);
  }

  /** Commits the message and gives the 201 as it stands at this moment. */
  #accept(call: CreateCall, parameters: CreateParameters, delivery?: Partial<DeliveryPlan>): Answer {
    const { accountSid, behaviour, messages, clock } = this.#deps;
    const plan = deliveryPlan(behaviour, delivery);
    const message = newMessage({
      sid: this.#deps.messageSid(),
      accountSid,
      parameters,
      now: clock(),
      listLagMs: plan.listLagMs,
      redacted: behaviour.redactsBodies,
    });
    messages.add(message);
    call.sid = message.sid;
    const answer = { status: 201, body: JSON.stringify(messageResource(message)) };
    this.#deps.accepted(message, call);
    this.#deps.delivery.start(message, plan);
    return answer;
  }

  #answer(exchange: Exchange, call: CreateCall, answer: Answer, code: number | null = null): void {
    exchange.send(answer);
    this.#settle(call, { status: answer.status, code });
  }

  #settle(call: CreateCall, answer: CallAnswer): void {
    call.answer = answer;
    this.#deps.answered(call);
  }
}

/** The answer of a planned status: Twilio's error body, a proxy's HTML page, or nothing. */
export function statusAnswer(step: Omit<StatusStep, "accept" | "delivery">): Answer {
  const headers = step.headers ?? {};
  if (step.body === "html") {
    return { status: step.status, body: badGatewayPage, contentType: "text/html", headers };
  }
  const body = step.body === "empty" ? "" : errorBody(statusError(step.status, step.code));
  return { status: step.status, body, headers };
}
