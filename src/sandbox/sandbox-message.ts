import type { CreateParameters } from "./create-parameters.ts";
import { segmentsOf } from "./sms-segments.ts";

export type MessageStatus =
  | "accepted"
  | "scheduled"
  | "queued"
  | "sent"
  | "delivered"
  | "undelivered"
  | "failed"
  | "canceled";

/** One POST the double made, or tried to make, to a StatusCallback URL. */
export type CallbackRecord = { status: MessageStatus; at: number; outcome: number | "failed" };

/** A message the double accepted. Times are milliseconds since the epoch by the double's clock. */
export type SandboxMessage = {
  readonly sid: string;
  readonly accountSid: string;
  readonly to: string;
  readonly from: string | null;
  readonly messagingServiceSid: string | null;
  /** The text as it went to the phone; stays when the resource is redacted. */
  readonly body: string;
  /** Seconds. */
  readonly validityPeriod: number;
  readonly statusCallback: string | null;
  readonly provideFeedback: boolean;
  readonly encoding: "GSM-7" | "UCS-2";
  readonly segments: number;
  readonly createdAt: number;
  updatedAt: number;
  sentAt: number | null;
  status: MessageStatus;
  errorCode: number | null;
  /** Nothing more will happen to it by itself; only then may it be redacted or deleted. */
  final: boolean;
  /** The API answers an empty body. */
  redacted: boolean;
  deleted: boolean;
  /** Before this time lists do not show it. */
  listedFrom: number;
  feedback: "confirmed" | "unconfirmed" | null;
  readonly callbacks: CallbackRecord[];
};

export function newMessage(args: {
  sid: string;
  accountSid: string;
  parameters: CreateParameters;
  now: number;
  listLagMs: number;
  redacted: boolean;
}): SandboxMessage {
  const { sid, accountSid, parameters, now } = args;
  const { encoding, segments } = segmentsOf(parameters.body);
  const initial = parameters.messagingServiceSid === null ? "queued" : "accepted";
  return {
    sid,
    accountSid,
    to: parameters.to,
    from: parameters.from,
    messagingServiceSid: parameters.messagingServiceSid,
    body: parameters.body,
    validityPeriod: parameters.validityPeriod,
    statusCallback: parameters.statusCallback,
    provideFeedback: parameters.provideFeedback,
    encoding,
    segments,
    createdAt: now,
    updatedAt: now,
    sentAt: null,
    status: parameters.scheduled ? "scheduled" : initial,
    errorCode: null,
    final: false,
    redacted: args.redacted,
    deleted: false,
    listedFrom: now + args.listLagMs,
    feedback: null,
    callbacks: [],
  };
}

/**
 * The Message resource, keys in the order Twilio has used since 2023. Until a Messaging Service has
 * picked a sender there is no `from`, and the number of segments is not known.
 */
export function messageResource(message: SandboxMessage) {
  const uri = `/2010-04-01/Accounts/${message.accountSid}/Messages/${message.sid}`;
  const undecided = message.status === "accepted" || message.status === "scheduled";
  const media = `${uri}/Media.json`;
  return {
    body: message.redacted ? "" : message.body,
    num_segments: undecided ? "0" : String(message.segments),
    direction: "outbound-api",
    from: message.from,
    date_updated: rfc2822(message.updatedAt),
    price: null,
    error_message: null,
    uri: `${uri}.json`,
    account_sid: message.accountSid,
    num_media: "0",
    to: message.to,
    date_created: rfc2822(message.createdAt),
    status: message.status,
    sid: message.sid,
    date_sent: message.sentAt === null ? null : rfc2822(message.sentAt),
    messaging_service_sid: message.messagingServiceSid,
    error_code: message.errorCode,
    price_unit: "USD",
    api_version: "2010-04-01",
    subresource_uris: message.provideFeedback ? { media, feedback: `${uri}/Feedback.json` } : { media },
  };
}

/** RFC 2822 with seconds and a numeric zone, as Twilio writes times: `Fri, 16 Jun 2023 17:29:30 +0000`. */
export function rfc2822(ms: number): string {
  return new Date(ms).toUTCString().replace("GMT", "+0000");
}
