import type {
  MessageInstance,
  MessageListInstanceCreateOptions,
} from "twilio/lib/rest/api/v2010/account/message.js";
import type {
  CallPermit,
  ChallengeMessage,
  ChallengeQuery,
  ProviderResult,
  SignatureProvider,
} from "../domain/provider.ts";
import type { TwilioCredentials } from "./credentials.ts";
import { createdAt, listCandidates } from "./look-up.ts";
import { isMessageSid } from "./message-sid.ts";
import { MessagesApi, providerError, providerName } from "./messages-api.ts";
import { verdictOfAnswer, verdictOfDeadMessage } from "./outcome.ts";
import { type EvidenceKey, makeProof } from "./proof.ts";
import { statusCallbackUrl } from "./status-callback-url.ts";
import { dateOf, type HttpAnswer, type HttpTransport } from "./transport.ts";

/** Bounds of ValidityPeriod, in seconds. */
const shortestValidity = 1;
const longestValidity = 36_000;

export interface TwilioSmsProviderDeps {
  readonly transport: HttpTransport;
  /** The snapshot in force now; undefined while there is none. */
  readonly credentials: () => TwilioCredentials | undefined;
  readonly evidenceKey: () => EvidenceKey;
  /** Where Twilio reaches us (PUBLIC_URL); no receipts without it. */
  readonly publicUrl: string | undefined;
  /** Asks Twilio to take Message Feedback later on. */
  readonly provideFeedback: boolean;
}

/** Sends challenges as SMS through Twilio's Programmable Messaging, API version 2010-04-01. */
export class TwilioSmsProvider implements SignatureProvider {
  readonly name = providerName;
  readonly channel = "sms";
  readonly #deps: TwilioSmsProviderDeps;
  readonly #api: MessagesApi;

  constructor(deps: TwilioSmsProviderDeps) {
    this.#deps = deps;
    this.#api = new MessagesApi(deps);
  }

  isAvailable(): boolean {
    return this.#api.hasCredentials;
  }

  async sendChallenge(
    message: ChallengeMessage,
    permit: CallPermit,
    signal: AbortSignal,
  ): Promise<ProviderResult> {
    // Taken before the call: nothing may go wrong any more once Twilio has the message.
    const key = this.#deps.evidenceKey();
    const { result: created, answer } = await this.#api.call(
      (messages, credentials) => messages.create(createOptions(message, credentials, this.#deps)),
      signal,
      permit,
    );
    if (!isMessageSid(created.sid)) throw providerError(verdictOfAnswer(answer));
    if (isDead(created)) throw providerError(verdictOfDeadMessage(errorCodeOf(created)));
    return resultOf(created, answer, message.text, key, dateOf(answer) ?? createdAt(created));
  }

  async findChallenges(query: ChallengeQuery, signal: AbortSignal): Promise<ProviderResult[]> {
    const key = this.#deps.evidenceKey();
    const listed = await listCandidates(this.#api, query, signal);
    return listed.map(({ message, answer }) =>
      resultOf(message, answer, query.text, key, createdAt(message)),
    );
  }
}

function createOptions(
  message: ChallengeMessage,
  { fromNumber, messagingServiceSid }: TwilioCredentials,
  { publicUrl, provideFeedback }: TwilioSmsProviderDeps,
): MessageListInstanceCreateOptions {
  const { challengeId, attempt } = message;
  const seconds = Math.floor(message.validitySeconds);
  return {
    to: message.to,
    ...(fromNumber !== undefined && { from: fromNumber }),
    ...(messagingServiceSid !== undefined && { messagingServiceSid }),
    body: message.text,
    validityPeriod: Math.min(Math.max(seconds, shortestValidity), longestValidity),
    attempt,
    ...(provideFeedback && { provideFeedback }),
    ...(publicUrl !== undefined && { statusCallback: statusCallbackUrl(publicUrl, challengeId, attempt) }),
  };
}

/** An answer that takes a message and calls it failed at once: no callback follows for a first status. */
function isDead(created: MessageInstance): boolean {
  return created.status === "failed" || created.status === "undelivered" || created.status === "canceled";
}

function errorCodeOf({ errorCode }: MessageInstance): number | undefined {
  return Number.isInteger(errorCode) && errorCode > 0 ? errorCode : undefined;
}

function resultOf(
  message: MessageInstance,
  answer: HttpAnswer,
  text: string,
  key: EvidenceKey,
  sentAt: Date | undefined,
): ProviderResult {
  const facts = {
    sid: message.sid,
    status: String(answer.status),
    request: answer.headers["twilio-request-id"] ?? "",
    date: answer.headers["date"] ?? "",
  };
  return {
    providerChallengeId: message.sid,
    providerProof: makeProof(facts, { answer: answer.body, text }, key),
    sentAt: sentAt ?? new Date(),
  };
}
