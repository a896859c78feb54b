import type { IncomingMessage, ServerResponse } from "node:http";
import type { Behaviour } from "./behaviour.ts";
import type { Counts, CreateCall } from "./call-record.ts";
import { CreateCalls } from "./create-calls.ts";
import { type Account, checkCreate } from "./create-parameters.ts";
import { type Credentials, credentialFault } from "./credentials.ts";
import type { Delivery } from "./delivery.ts";
import { type Answer, Exchange } from "./exchange.ts";
import { answerLookup } from "./lookup-calls.ts";
import { MagicNumbers } from "./magic-numbers.ts";
import { MessageCalls } from "./message-calls.ts";
import { messageList } from "./message-list.ts";
import type { MessageLog } from "./message-log.ts";
import { messageResource, type SandboxMessage } from "./sandbox-message.ts";
import type { CreateStep, FaultPlan, LookupStep } from "./steps.ts";
import type { TimerGroup } from "./timers.ts";
import { errorBody, notFound, statusError, type TwilioError } from "./twilio-error.ts";

const accept: CreateStep = { kind: "accept" };
const largestBody = 1 << 20;
const resourcePath =
  /^\/2010-04-01\/Accounts\/([^/]+)\/Messages(?:\/((?:SM|MM)[0-9a-fA-F]{32}))?(\/Feedback)?\.json$/;

type Deps = {
  credentials: Credentials;
  account: Omit<Account, "redactsBodies">;
  behaviour: Behaviour;
  messages: MessageLog;
  createPlan: FaultPlan<CreateStep>;
  lookupPlan: FaultPlan<LookupStep>;
  delivery: Delivery;
  counts: Counts;
  timers: TimerGroup;
  clock: () => number;
  random: (bytes: number) => Uint8Array;
  received: (call: CreateCall) => void;
  answered: (call: CreateCall) => void;
  accepted: (message: SandboxMessage, call: CreateCall) => void;
  changed: (message: SandboxMessage) => void;
  lookedUp: (to: string) => void;
};

/** Routes requests the way api.twilio.com does: credentials first, then the resource. */
export class TwilioApi {
  readonly #deps: Deps;
  readonly #magicNumbers = new MagicNumbers();
  readonly #creates: CreateCalls;
  readonly #messageCalls: MessageCalls;
  #inFlight = 0;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#creates = new CreateCalls({
      ...deps,
      accountSid: deps.credentials.accountSid,
      messageSid: () => `SM${this.#hex()}`,
    });
    this.#messageCalls = new MessageCalls(deps);
  }

  /** Takes one request; the answer may come later, or by design never. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#inFlight += 1;
    response.on("close", () => (this.#inFlight -= 1));
    const exchange = new Exchange({
      request,
      response,
      requestId: `RQ${this.#hex()}`,
      concurrency: this.#inFlight,
      clock: this.#deps.clock,
      timers: this.#deps.timers,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > largestBody) request.destroy();
      else chunks.push(chunk);
    });
    request.on("error", () => {});
    request.on("end", () => this.#route(exchange, Buffer.concat(chunks)));
  }

  #route(exchange: Exchange, body: Buffer): void {
    const [, accountSid, sid, feedback] = resourcePath.exec(exchange.path) ?? [];
    const { headers, method } = exchange.request;
    if (accountSid === undefined) {
      fail(exchange, notFound(exchange.path));
      return;
    }
    const fault = credentialFault(headers.authorization, accountSid, this.#deps.credentials);
    if (fault !== null) {
      this.#deps.counts.unauthorized += 1;
      fail(exchange, fault, { "WWW-Authenticate": 'Basic realm="Twilio API"' });
      return;
    }
    const isForm = headers["content-type"]?.startsWith("application/x-www-form-urlencoded") === true;
    const form = new URLSearchParams(isForm ? body.toString("utf8") : "");
    if (sid !== undefined) this.#onMessage(exchange, sid, feedback !== undefined, form);
    else if (method === "POST") this.#create(exchange, form);
    else if (method === "GET") this.#list(exchange);
    else fail(exchange, statusError(405));
  }

  #onMessage(exchange: Exchange, sid: string, isFeedback: boolean, form: URLSearchParams): void {
    const { method } = exchange.request;
    const stored = this.#deps.messages.bySid(sid);
    const message = stored?.deleted === true ? undefined : stored;
    if (method === "GET" && !isFeedback) this.#fetch(exchange, message);
    else if (message === undefined) fail(exchange, notFound(exchange.path));
    else if (method === "POST" && isFeedback) this.#messageCalls.giveFeedback(exchange, message, form);
    else if (method === "POST") this.#messageCalls.update(exchange, message, form);
    else if (method === "DELETE" && !isFeedback) this.#messageCalls.remove(exchange, message);
    else fail(exchange, statusError(405));
  }

  #create(exchange: Exchange, form: URLSearchParams): void {
    const { behaviour, clock, counts, createPlan } = this.#deps;
    counts.creates += 1;
    const call: CreateCall = {
      number: counts.creates,
      at: clock(),
      to: form.get("To") ?? "",
      params: form,
      headers: exchange.request.headers,
      sid: null,
      answer: null,
    };
    this.#deps.received(call);
    const { redactsBodies, latencyMs, magicNumbers } = behaviour;
    const checked = checkCreate(form, { ...this.#deps.account, redactsBodies });
    if (exchange.concurrency > behaviour.maxConcurrentRequests) {
      this.#creates.refuse(exchange, call, statusError(429));
    } else if ("error" in checked) {
      this.#creates.refuse(exchange, call, checked.error);
    } else {
      const { parameters } = checked;
      const byNumber = magicNumbers && !exchange.query.has("Redirected");
      const step =
        createPlan.take(parameters.to) ??
        (byNumber ? this.#magicNumbers.stepFor(parameters.to, parameters.body) : accept);
      this.#deps.timers.after(latencyMs, () => this.#creates.run(exchange, call, parameters, step));
    }
  }

  #list(exchange: Exchange): void {
    const { messages, clock } = this.#deps;
    const { path, query } = exchange;
    const to = query.get("To");
    this.#lookUp(exchange, to ?? "", (showNothing) => {
      const found = to === null ? messages.all() : messages.to(to);
      const list = messageList({ path, query, candidates: showNothing ? [] : found, now: clock() });
      return { status: 200, body: JSON.stringify(list) };
    });
  }

  #fetch(exchange: Exchange, message: SandboxMessage | undefined): void {
    this.#lookUp(exchange, message?.to ?? "", (showNothing) =>
      message === undefined || showNothing
        ? { status: 404, body: errorBody(notFound(exchange.path)) }
        : { status: 200, body: JSON.stringify(messageResource(message)) },
    );
  }

  #lookUp(exchange: Exchange, to: string, read: (showNothing: boolean) => Answer): void {
    const { behaviour, counts, lookupPlan, timers } = this.#deps;
    counts.lookups += 1;
    const step = lookupPlan.take(to) ?? { kind: "answer" };
    answerLookup({ exchange, step, latencyMs: behaviour.latencyMs, timers, read });
    this.#deps.lookedUp(to);
  }

  #hex(): string {
    return Buffer.from(this.#deps.random(16)).toString("hex");
  }
}

function fail(exchange: Exchange, error: TwilioError, headers: Readonly<Record<string, string>> = {}): void {
  exchange.send({ status: error.status, body: errorBody(error), headers });
}
