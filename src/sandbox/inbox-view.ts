import type { CreateCall } from "./call-record.ts";
import { oneTimeCodeIn } from "./one-time-code-in-text.ts";
import type { SandboxMessage } from "./sandbox-message.ts";

/** A message as the inbox shows it. Times are ISO 8601. */
export type InboxMessage = {
  sid: string;
  to: string;
  from: string | null;
  /** Exactly the text that went to the phone. */
  body: string;
  /** The six digits in it, for scripts and for the copy button. */
  code: string | null;
  status: string;
  error_code: number | null;
  encoding: string;
  segments: number;
  characters: number;
  created_at: string;
  /** Null until the carrier has taken it. */
  sent_at: string | null;
  valid_until: string;
  redacted: boolean;
  receipts: { status: string; outcome: number | "failed" }[];
};

/** A call to Twilio's create, and what came of it. */
export type InboxCall = {
  number: number;
  at: string;
  to: string;
  accepted: boolean;
  /** An HTTP status, or `none`, `reset`, `cut off`, `dripping`; null while unanswered. */
  answer: string | null;
  code: number | null;
};

export function inboxMessage(message: SandboxMessage): InboxMessage {
  return {
    sid: message.sid,
    to: message.to,
    from: message.from ?? message.messagingServiceSid,
    body: message.body,
    code: oneTimeCodeIn(message.body),
    status: message.status,
    error_code: message.errorCode,
    encoding: message.encoding,
    segments: message.segments,
    characters: [...message.body].length,
    created_at: new Date(message.createdAt).toISOString(),
    sent_at: message.sentAt === null ? null : new Date(message.sentAt).toISOString(),
    valid_until: new Date(message.createdAt + message.validityPeriod * 1000).toISOString(),
    redacted: message.redacted,
    receipts: message.callbacks.map(({ status, outcome }) => ({ status, outcome })),
  };
}

export function inboxCall(call: CreateCall): InboxCall {
  return {
    number: call.number,
    at: new Date(call.at).toISOString(),
    to: call.to,
    accepted: call.sid !== null,
    answer: call.answer === null ? null : String(call.answer.status),
    code: call.answer?.code ?? null,
  };
}
