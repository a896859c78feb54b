import http from "node:http";
import https from "node:https";
import type { CallbackRecord, MessageStatus, SandboxMessage } from "./sandbox-message.ts";
import type { TimerGroup } from "./timers.ts";
import { webhookSignature } from "./webhook-signature.ts";

const timeoutMs = 15_000;
const receiptStatuses: ReadonlySet<MessageStatus> = new Set(["delivered", "undelivered"]);

type Deps = {
  authToken: () => string;
  timers: TimerGroup;
  clock: () => number;
  random: (bytes: number) => Uint8Array;
  made: (message: SandboxMessage, record: CallbackRecord) => void;
};

/**
 * Tells the StatusCallback URL about a status: form-encoded, signed with the primary auth token.
 * Only a failed connection is tried again, once, unless the URL's fragment asks for more
 * (`#rc=3&rp=all`); fragments are not part of the signed URL.
 * Source: twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
 */
export class StatusCallbacks {
  readonly #deps: Deps;
  readonly #agents = {
    "http:": new http.Agent({ maxSockets: 256 }),
    "https:": new https.Agent({ maxSockets: 256 }),
  };
  readonly #inFlight = new Set<http.ClientRequest>();
  #closed = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Never rejects: what came of it stands in the message's callbacks. */
  async post(message: SandboxMessage, status: MessageStatus): Promise<void> {
    if (message.statusCallback === null || this.#closed) return;
    const [address = "", fragment = ""] = message.statusCallback.split("#", 2);
    const overrides = new URLSearchParams(fragment);
    const retries = Math.min(Number(overrides.get("rc") ?? 1), 5);
    const policy = (overrides.get("rp") ?? "ct").split(",");
    const params = callbackParams(message, status, this.#deps.clock());
    const signature = webhookSignature(this.#deps.authToken(), address, params);
    const body = new URLSearchParams([...params]).toString();
    const token = uuidFrom(this.#deps.random(16));

    for (let attempt = 0; !this.#closed; attempt += 1) {
      const outcome = await this.#attempt(new URL(address), body, signature, token);
      if (attempt < retries && isRetried(outcome, policy)) continue;
      const record: CallbackRecord = {
        status,
        at: this.#deps.clock(),
        outcome: typeof outcome === "number" ? outcome : "failed",
      };
      message.callbacks.push(record);
      this.#deps.made(message, record);
      return;
    }
  }

  close(): void {
    this.#closed = true;
    for (const request of this.#inFlight) request.destroy();
    this.#agents["http:"].destroy();
    this.#agents["https:"].destroy();
  }

  /** The HTTP status, or whether connecting or waiting for the answer failed. */
  #attempt(url: URL, body: string, signature: string, token: string): Promise<number | "connect" | "answer"> {
    const secure = url.protocol === "https:";
    const { promise, resolve } = Promise.withResolvers<number | "connect" | "answer">();
    let connected = false;
    const request = (secure ? https : http).request(url, {
      method: "POST",
      agent: this.#agents[secure ? "https:" : "http:"],
      headers: {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "Content-Length": Buffer.byteLength(body),
        Accept: "*/*",
        "User-Agent": "TwilioProxy/1.1",
        "X-Twilio-Signature": signature,
        "I-Twilio-Idempotency-Token": token,
        "X-Home-Region": "us1",
        Connection: "close",
      },
    });
    this.#inFlight.add(request);
    const cancelTimeout = this.#deps.timers.after(timeoutMs, () => request.destroy());
    request.on("socket", (socket) => {
      if (!socket.connecting) connected = true;
      else socket.once(secure ? "secureConnect" : "connect", () => (connected = true));
    });
    request.on("response", (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on("error", () => resolve(connected ? "answer" : "connect"));
    request.on("close", () => {
      cancelTimeout();
      this.#inFlight.delete(request);
      resolve(connected ? "answer" : "connect");
    });
    request.end(body);
    return promise;
  }
}

function isRetried(outcome: number | "connect" | "answer", policy: readonly string[]): boolean {
  const named = outcome === "connect" ? "ct" : outcome === "answer" ? "rt" : `${Math.floor(outcome / 100)}xx`;
  const isFault = typeof outcome !== "number" || outcome >= 400;
  return isFault && (policy.includes("all") || policy.includes(named));
}

/** In the order recorded from Twilio; RawDlrDoneDate stands only where a carrier's receipt came. */
function callbackParams(message: SandboxMessage, status: MessageStatus, now: number): Map<string, string> {
  const params = new Map<string, string>();
  if (receiptStatuses.has(status)) params.set("RawDlrDoneDate", minuteOf(now));
  if (message.errorCode !== null && status === message.status)
    params.set("ErrorCode", String(message.errorCode));
  params.set("SmsSid", message.sid);
  params.set("SmsStatus", status);
  params.set("MessageStatus", status);
  params.set("To", message.to);
  if (message.messagingServiceSid !== null) params.set("MessagingServiceSid", message.messagingServiceSid);
  params.set("MessageSid", message.sid);
  params.set("AccountSid", message.accountSid);
  if (message.from !== null) params.set("From", message.from);
  params.set("ApiVersion", "2010-04-01");
  return params;
}

/** yyMMddHHmm in GMT. */
function minuteOf(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/[-T:]/g, "").slice(2, 12);
}

function uuidFrom(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5");
}
