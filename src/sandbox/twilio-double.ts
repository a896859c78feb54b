import { EventEmitter, once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type Behaviour, defaultBehaviour } from "./behaviour.ts";
import type { Counts, CreateCall } from "./call-record.ts";
import type { Account } from "./create-parameters.ts";
import type { Credentials } from "./credentials.ts";
import { Delivery } from "./delivery.ts";
import { MessageLog, RecentItems } from "./message-log.ts";
import { pooledRandom } from "./pooled-random.ts";
import type { CallbackRecord, MessageStatus, SandboxMessage } from "./sandbox-message.ts";
import { StatusCallbacks } from "./status-callbacks.ts";
import { type CreateStep, FaultPlan, type LookupStep, type NumberMatch, type Planned } from "./steps.ts";
import { realTimers, TimerGroup, type Timers } from "./timers.ts";
import { TwilioApi } from "./twilio-api.ts";

const defaultKeep = 10_000;

export type TwilioDoubleOptions = Omit<Credentials, "apiKeys"> &
  Omit<Account, "redactsBodies"> & {
    /** Loopback unless said otherwise. */
    host?: string;
    /** 0, the default, takes a free one. */
    port?: number;
    /** API keys (`SK…`) and their secrets. */
    apiKeys?: ReadonlyMap<string, string>;
    behaviour?: Partial<Behaviour>;
    /** How many messages and calls are remembered; `counts` stays exact beyond them. Default 10,000. */
    keep?: number;
    /** Milliseconds since the epoch. */
    clock?: () => number;
    random?: (bytes: number) => Uint8Array;
    timers?: Timers;
  };

/** `accepted`, `status` and the others carry the live object, which goes on changing. */
export type TwilioDoubleEvents = {
  /** A create call came in. */
  call: [call: CreateCall];
  /** It was answered, or it is settled that it will not be. */
  answered: [call: CreateCall];
  /** A message was committed, in the same turn as it became visible. */
  accepted: [message: SandboxMessage, call: CreateCall];
  /** A message's status, text or feedback changed. */
  changed: [message: SandboxMessage];
  /** A status callback was answered or given up. */
  callback: [message: SandboxMessage, record: CallbackRecord];
  /** A list or fetch call came in; the number is empty where it named none. */
  lookup: [to: string];
  closed: [];
};

/**
 * Twilio's Messages API over real HTTP on this machine, with an account, delivery, status callbacks
 * and faults. What happens to a message is chosen by, in this order: a plan made with `plan`, the
 * last digits of its number (`magicNumbers`), and `behaviour`. No message leaves the machine.
 */
export class TwilioDouble extends EventEmitter<TwilioDoubleEvents> implements AsyncDisposable {
  /** Like TWILIO_API_URL: up to and including the API version. */
  readonly url: string;
  /** May be changed while it runs; applies to calls that come later. */
  readonly behaviour: Behaviour;
  readonly counts: Readonly<Counts>;
  readonly #server: http.Server;
  readonly #address: AddressInfo;
  readonly #messages: MessageLog;
  readonly #calls: RecentItems<CreateCall>;
  readonly #createPlan = new FaultPlan<CreateStep>();
  readonly #lookupPlan = new FaultPlan<LookupStep>();
  readonly #timers: TimerGroup;
  readonly #callbacks: StatusCallbacks;
  #closed = false;

  /** Rejects with the server's error where the port is taken. */
  static async start(options: TwilioDoubleOptions): Promise<TwilioDouble> {
    const server = http.createServer({ keepAliveTimeout: 60_000 });
    server.listen(options.port ?? 0, options.host ?? "127.0.0.1");
    await once(server, "listening");
    return new TwilioDouble(options, server);
  }

  private constructor(options: TwilioDoubleOptions, server: http.Server) {
    super();
    this.setMaxListeners(0);
    const { accountSid, authTokens, senders, messagingServices, keep = defaultKeep } = options;
    const clock = options.clock ?? Date.now;
    const random = options.random ?? pooledRandom();
    const counts: Counts = { creates: 0, accepted: 0, lookups: 0, callbacks: 0, unauthorized: 0 };
    const changed = (message: SandboxMessage) => this.emit("changed", message);

    this.#server = server;
    this.#address = server.address() as AddressInfo;
    const host = this.#address.family === "IPv6" ? `[${this.#address.address}]` : this.#address.address;
    this.url = `http://${host}:${this.#address.port}/2010-04-01`;
    this.behaviour = { ...defaultBehaviour, ...options.behaviour };
    this.counts = counts;
    this.#messages = new MessageLog(keep);
    this.#calls = new RecentItems(keep);
    this.#timers = new TimerGroup(options.timers ?? realTimers);
    const timers = this.#timers;
    this.#callbacks = new StatusCallbacks({
      authToken: () => authTokens()[0] ?? "",
      timers,
      clock,
      random,
      made: (message, record) => {
        counts.callbacks += 1;
        this.emit("callback", message, record);
      },
    });
    const api = new TwilioApi({
      credentials: { accountSid, authTokens, apiKeys: options.apiKeys ?? new Map() },
      account: { ...(senders && { senders }), ...(messagingServices && { messagingServices }) },
      behaviour: this.behaviour,
      messages: this.#messages,
      createPlan: this.#createPlan,
      lookupPlan: this.#lookupPlan,
      delivery: new Delivery({ timers, clock, callbacks: this.#callbacks, changed }),
      counts,
      timers,
      clock,
      random,
      received: (call) => {
        this.#calls.add(call);
        this.emit("call", call);
      },
      answered: (call) => this.emit("answered", call),
      accepted: (message, call) => {
        counts.accepted += 1;
        this.emit("accepted", message, call);
      },
      changed,
      lookedUp: (to) => this.emit("lookup", to),
    });
    server.on("request", (request, response) => api.handle(request, response));
  }

  /** Every message accepted, oldest first, deleted ones included, as far back as is remembered. */
  get messages(): SandboxMessage[] {
    return this.#messages.all();
  }

  /** Every create call received with right credentials, oldest first, as far back as is remembered. */
  get calls(): CreateCall[] {
    return this.#calls.all();
  }

  /** The latest `count`, oldest first, without copying the rest. */
  latest(count: number): { messages: SandboxMessage[]; calls: CreateCall[] } {
    return { messages: this.#messages.latest(count), calls: this.#calls.latest(count) };
  }

  /** Messages to one number, oldest first. */
  messagesTo(to: string): readonly SandboxMessage[] {
    return [...this.#messages.to(to)];
  }

  /** Lays out what the next create calls to a number meet, one step a call. */
  plan(match: NumberMatch, steps: readonly CreateStep[], options: { repeatLast?: boolean } = {}): Planned {
    return this.#createPlan.add(match, steps, options.repeatLast);
  }

  /** The same for list and fetch calls; a list without To matches as the empty number. */
  planLookups(
    match: NumberMatch,
    steps: readonly LookupStep[],
    options: { repeatLast?: boolean } = {},
  ): Planned {
    return this.#lookupPlan.add(match, steps, options.repeatLast);
  }

  clearPlans(): void {
    this.#createPlan.clear();
    this.#lookupPlan.clear();
  }

  /** The next message accepted after this call, to the number where one is given. */
  nextMessage(to?: string, signal?: AbortSignal): Promise<SandboxMessage> {
    let found: SandboxMessage | undefined;
    const listener = (message: SandboxMessage) => {
      if (to === undefined || message.to === to) found ??= message;
    };
    this.on("accepted", listener);
    return this.#until("accepted", () => found, signal).finally(() => this.off("accepted", listener));
  }

  /** The message to this number at this index, 0 being the first since the start; waits until there is one. */
  messageTo(to: string, index = 0, signal?: AbortSignal): Promise<SandboxMessage> {
    return this.#until("accepted", () => this.#messages.to(to)[index], signal);
  }

  /** Waits until the message has this status. */
  statusReached(sid: string, status: MessageStatus, signal?: AbortSignal): Promise<SandboxMessage> {
    const reached = (message: SandboxMessage | undefined) =>
      message?.status === status ? message : undefined;
    return this.#until("changed", () => reached(this.#messages.bySid(sid)), signal);
  }

  /** Waits until `count` callbacks about the message were made, or those of one status. */
  callbacksMade(
    sid: string,
    count: number,
    status?: MessageStatus,
    signal?: AbortSignal,
  ): Promise<CallbackRecord[]> {
    return this.#until(
      "callback",
      () => {
        const made = this.#messages.bySid(sid)?.callbacks ?? [];
        const meant = status === undefined ? made : made.filter((record) => record.status === status);
        return meant.length >= count ? [...meant] : undefined;
      },
      signal,
    );
  }

  /** Refuses connections and cuts the open ones, until `comeBack`. */
  async goDown(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Listens again, on the same port. */
  async comeBack(): Promise<void> {
    this.#server.listen(this.#address.port, this.#address.address);
    await once(this.#server, "listening");
  }

  /** Ends every connection, timer and callback; whoever still waits for an event is rejected. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#timers.close();
    this.#callbacks.close();
    if (this.#server.listening) await this.goDown();
    this.emit("closed");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Resolves once `read` gives something; asks at once and at each event. */
  #until<Found>(
    event: "accepted" | "changed" | "callback",
    read: () => Found | undefined,
    signal?: AbortSignal,
  ): Promise<Found> {
    const { promise, resolve, reject } = Promise.withResolvers<Found>();
    const check = () => {
      const found = read();
      if (found !== undefined) resolve(found);
    };
    const end = () => reject(new Error(`the Twilio double was closed while waiting for "${event}"`));
    const abort = () => reject(signal?.reason);
    this.on(event, check);
    this.on("closed", end);
    signal?.addEventListener("abort", abort);
    if (this.#closed) end();
    if (signal?.aborted === true) abort();
    check();
    return promise.finally(() => {
      this.off(event, check);
      this.off("closed", end);
      signal?.removeEventListener("abort", abort);
    });
  }
}
