import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../domain/clock.ts";
import type { ClaimedReceipt, DeliveryReceipt } from "../domain/delivery-receipt.ts";
import { parseUuid } from "../domain/uuid.ts";
import type { TwilioCredentials } from "./credentials.ts";
import { subjectOf } from "./error-codes.ts";
import { keptParameters } from "./kept-parameters.ts";
import { isMessageSid } from "./message-sid.ts";
import { providerName } from "./messages-api.ts";
import { type EvidenceKey, makeProof } from "./proof.ts";
import { RareRefresh } from "./rare-refresh.ts";
import { signedUrl, statusCallbackPath } from "./status-callback-url.ts";
import { formParams, isSignedByTwilio, mayBeSignature, type SignedRequest } from "./webhook-signature.ts";

/** Twilio's are below 1 KiB. */
const mostBodyBytes = 16 << 10;

/** Twilio waits 15 s for the whole answer. */
const recordTimeoutMs = 10_000;
const retryAfterSeconds = 5;

const statuses: Readonly<Record<string, DeliveryReceipt["status"]>> = {
  queued: "accepted",
  accepted: "accepted",
  sending: "accepted",
  sent: "accepted",
  delivered: "delivered",
  read: "delivered",
  undelivered: "undelivered",
  failed: "undelivered",
  canceled: "undelivered",
};

export interface StatusCallbackDeps {
  readonly publicUrl: string;
  /** The snapshot in force now; every call is refused while there is none. */
  readonly credentials: () => TwilioCredentials | undefined;
  /** Reads them again: a new auth token may sign before this process has heard of it. */
  readonly refreshCredentials: () => Promise<unknown>;
  readonly clock: Pick<Clock, "now">;
  readonly evidenceKey: () => EvidenceKey;
  /** Records what Twilio told; rejects where it could not. */
  readonly record: (receipt: ClaimedReceipt, signal: AbortSignal) => Promise<void>;
}

/**
 * Answers `POST /twilio/status`: 204 to every well signed call, whatever it is about; 403 to any other;
 * 413 to a body over 16 KiB; 503 with Retry-After where it could not be recorded.
 */
export function statusCallbackHandler(deps: StatusCallbackDeps) {
  // An ingress may pass the path of PUBLIC_URL on, or strip it.
  const paths = new Set([statusCallbackPath, new URL(signedUrl(deps.publicUrl, "")).pathname]);
  const refresh = new RareRefresh({ refresh: deps.refreshCredentials, clock: deps.clock });
  const fits = (request: SignedRequest) => isSignedByTwilio(authTokens(deps.credentials()), request);
  const isGenuine = async (request: SignedRequest) =>
    fits(request) || (mayBeSignature(request.signature) && (await refresh.run()) && fits(request));

  return async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = "", query] = (request.url ?? "").split(/\?(.*)/s, 2);
    if (!paths.has(path)) return answer(response, 404);
    if (request.method !== "POST") return answer(response, 405, { allow: "POST" });
    const body = await bodyOf(request);
    if (body === "too long") return answer(response, 413, { connection: "close" });
    if (body === "cut short") return;

    const url = signedUrl(deps.publicUrl, query === undefined ? "" : `?${query}`);
    const signature = request.headers["x-twilio-signature"];
    if (!(await isGenuine({ signature, url, body: body.text }))) return answer(response, 403);
    try {
      const accountSid = deps.credentials()?.accountSid ?? "";
      const receipt = receiptOf({ query: query ?? "", body: body.text, accountSid, key: deps.evidenceKey });
      if (receipt !== undefined) await deps.record(receipt, AbortSignal.timeout(recordTimeoutMs));
    } catch {
      // Whoever records tells the log why; Twilio needs only to know that it must come again.
      return answer(response, 503, { "retry-after": String(retryAfterSeconds) });
    }
    answer(response, 204);
  };
}

function authTokens(credentials: TwilioCredentials | undefined): string[] {
  return [credentials?.authToken, credentials?.authTokenPrevious].filter((token) => token !== undefined);
}

/** Undefined for what names no challenge of ours, or tells a status that means nothing to it. */
function receiptOf(call: {
  query: string;
  body: string;
  accountSid: string;
  key: () => EvidenceKey;
}): ClaimedReceipt | undefined {
  const query = new URLSearchParams(call.query);
  const params = formParams(call.body);
  const values = (name: string) => [params[name] ?? []].flat().filter((value) => value !== "");
  const value = (name: string) => values(name)[0] ?? "";
  const challengeId = parseUuid(query.get("challenge") ?? "");
  const attempt = query.get("attempt") ?? "";
  const sid = value("MessageSid") || value("SmsSid");
  const reported = value("MessageStatus") || value("SmsStatus");
  const status = Object.hasOwn(statuses, reported) ? statuses[reported] : undefined;
  if (challengeId === undefined || status === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(attempt) || !isMessageSid(sid)) return undefined;
  const errorCode = status === "undelivered" ? value("ErrorCode") : "";
  const hasCode = /^\d{1,6}$/.test(errorCode);
  const parameters = keptParameters(attempt, params);
  return {
    provider: providerName,
    challengeId,
    attempt: Number(attempt),
    providerChallengeId: sid,
    status,
    providerErrorCode: status === "undelivered" ? (hasCode ? errorCode : "other") : undefined,
    accountAtFault: hasCode && subjectOf(Number(errorCode)) === "account",
    // Twilio does not promise either parameter: one that is absent says nothing.
    foreignAccount: values("AccountSid").some((account) => account !== call.accountSid),
    destinations: values("To"),
    parameters,
    // Over what is kept, so that it can be checked later: the whole call holds the number, which is not.
    providerProof: makeProof(
      { sid, status: reported, request: "", date: "" },
      { answer: parameters, text: "" },
      call.key(),
    ),
  };
}

/** Iterating over the request would destroy it, and the answer with it, when it is left early. */
function bodyOf(request: IncomingMessage): Promise<{ text: string } | "too long" | "cut short"> {
  const { promise, resolve } = Promise.withResolvers<{ text: string } | "too long" | "cut short">();
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= mostBodyBytes) {
      chunks.push(chunk);
      return;
    }
    request.pause();
    resolve("too long");
  });
  request.on("end", () => resolve({ text: Buffer.concat(chunks).toString("utf8") }));
  request.on("error", () => resolve("cut short"));
  request.on("close", () => resolve("cut short"));
  return promise;
}

function answer(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, headers).end();
}
