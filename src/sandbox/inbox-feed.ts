import type { ServerResponse } from "node:http";
import type { CreateCall } from "./call-record.ts";
import { inboxCall, inboxMessage } from "./inbox-view.ts";
import type { SandboxMessage } from "./sandbox-message.ts";
import type { TwilioDouble } from "./twilio-double.ts";

/** Changes within this time go out together, so that load does not drown a page. */
const gatherMs = 40;
const heartbeatMs = 15_000;
/** What a page is given at first, and at most at once. */
export const shownAtOnce = 200;
/** A page that reads this little of its stream is cut off; it comes back and starts over. */
const largestBacklog = 4 << 20;

type Reader = { response: ServerResponse; to: string | null };

/** Pages that follow the inbox by Server-Sent Events (WHATWG HTML, 9.2). */
export class InboxFeed {
  readonly #double: TwilioDouble;
  readonly #readers = new Set<Reader>();
  readonly #messages = new Set<SandboxMessage>();
  readonly #calls = new Set<CreateCall>();
  #timer: NodeJS.Timeout | undefined;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(double: TwilioDouble) {
    this.#double = double;
    const onMessage = (message: SandboxMessage) => this.#gather(this.#messages, message);
    const onCall = (call: CreateCall) => this.#gather(this.#calls, call);
    double.on("accepted", onMessage);
    double.on("changed", onMessage);
    double.on("callback", onMessage);
    double.on("call", onCall);
    double.on("answered", onCall);
    double.once("closed", () => this.close());
    this.#heartbeat = setInterval(() => this.#write(() => ": still here\n\n"), heartbeatMs).unref();
  }

  /** Sends what there is, then what changes, until the page goes away. */
  follow(response: ServerResponse, to: string | null): void {
    const reader = { response, to };
    response.write("retry: 1000\n\n");
    response.write(event("snapshot", inboxSnapshot(this.#double, to)));
    this.#readers.add(reader);
    response.on("close", () => this.#readers.delete(reader));
  }

  close(): void {
    clearInterval(this.#heartbeat);
    clearTimeout(this.#timer);
    for (const { response } of this.#readers) response.end();
    this.#readers.clear();
  }

  #gather<Item>(changed: Set<Item>, item: Item): void {
    if (this.#readers.size === 0) return;
    changed.add(item);
    this.#timer ??= setTimeout(() => this.#flush(), gatherMs);
  }

  #flush(): void {
    this.#timer = undefined;
    const messages = [...this.#messages].slice(-shownAtOnce).map(inboxMessage);
    const calls = [...this.#calls].slice(-shownAtOnce).map(inboxCall);
    this.#messages.clear();
    this.#calls.clear();
    this.#write(({ to }) =>
      event("changes", { messages: ofNumber(messages, to), calls: ofNumber(calls, to) }),
    );
  }

  #write(text: (reader: Reader) => string): void {
    for (const reader of this.#readers) {
      if (reader.response.writableLength > largestBacklog) reader.response.destroy();
      else reader.response.write(text(reader));
    }
  }
}

/** The latest messages and calls, oldest first; of one number, or of all where it is null. */
export function inboxSnapshot(double: TwilioDouble, to: string | null) {
  const { messages, calls } = double.latest(shownAtOnce);
  const shown = to === null ? messages : double.messagesTo(to).slice(-shownAtOnce);
  return { messages: shown.map(inboxMessage), calls: ofNumber(calls.map(inboxCall), to) };
}

function ofNumber<Item extends { to: string }>(items: Item[], to: string | null): Item[] {
  return to === null ? items : items.filter((item) => item.to === to);
}

/** JSON has no line breaks of its own, so one data line holds it. */
function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
