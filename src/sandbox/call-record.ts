import type { IncomingHttpHeaders } from "node:http";

/** One create call the double received, accepted or not. */
export type CreateCall = {
  readonly number: number;
  readonly at: number;
  readonly to: string;
  readonly params: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The message it left behind. */
  sid: string | null;
  /** What the caller got; null while it has not got anything. */
  answer: CallAnswer | null;
};

/** An HTTP status, or a way of not answering. */
export type CallAnswer = {
  status: number | "none" | "reset" | "cut off" | "dripping";
  code: number | null;
};

/** Exact, however much of the log has been forgotten. */
export type Counts = {
  /** Create calls received with right credentials. */
  creates: number;
  /** Messages accepted. */
  accepted: number;
  /** List and fetch calls. */
  lookups: number;
  /** Status callbacks made, duplicates included. */
  callbacks: number;
  /** Calls with wrong credentials. */
  unauthorized: number;
};
