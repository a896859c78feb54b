import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { BudgetLimits } from "../domain/message-budget.ts";
import type { CallObservation } from "./observe.ts";
import type { Quota } from "./quotas.ts";

/** One of the bank's services that calls. */
export interface Caller {
  readonly name: string;
  /** Names of the RPCs of SignatureService that it may use, "*" for all. */
  readonly methods: ReadonlySet<string>;
  /** Calls a second, where the caller has a limit of its own. */
  readonly perSecond: number | undefined;
  /** What it may hold open, where CALLERS_FILE gives it more or less than callers get. */
  readonly quota?: Partial<Quota>;
  /** Its messages a day and their cost, where CALLERS_FILE gives it a budget of its own. */
  readonly budget?: Partial<BudgetLimits>;
}

/** Who is at the other end of the connection: nobody in particular without TLS, else by certificate. */
export type Peer =
  | { readonly kind: "plain" }
  /** Subject alternative names as CALLERS_FILE writes them, e.g. "DNS:payments.bank". */
  | { readonly kind: "certificate"; readonly subjectAltNames: readonly string[] };

/** What is learned of a call on its way, for the access line. */
export interface Call {
  readonly observation: CallObservation;
  readonly peer: Peer;
  /** The header grpc-timeout as it came. */
  readonly timeout: string | string[] | undefined;
  /** Whether somebody still waits for the answer: new work that nobody waits for is not begun. */
  readonly isWanted: () => boolean;
  caller: Caller | undefined;
  signatureId: string | undefined;
  /** Why it was refused: a reason of the error table, or INTERNAL. */
  reason: string | undefined;
  /** The error behind an internal error or a refusal; never for the caller. */
  cause: unknown;
  /** Whether its request was read and its handler begun. */
  reached: boolean;
  /** Whether `refuse` chose its error. */
  refused: boolean;
}

/** What gate and handlers of unary calls are told of a call. */
export type CallContext = Pick<
  HandlerContext,
  "method" | "service" | "values" | "timeoutMs" | "requestHeader" | "responseHeader" | "responseTrailer"
>;

/** Carries the Call from the listener to gate, interceptors and handlers. */
export const callKey = createContextKey<Call | undefined>(undefined, { description: "call" });

/** @throws Error where the listener was left out, so that nothing ever runs without a caller check */
export function callOf(values: CallContext["values"]): Call {
  const call = values.get(callKey);
  if (call === undefined) throw new Error("the call was not announced by the listener");
  return call;
}

/** The authenticated caller. @throws Error on an RPC that is open to anyone */
export function callerOf(context: Pick<CallContext, "method" | "values">): Caller {
  const { caller } = callOf(context.values);
  if (caller === undefined) throw new Error(`${context.method.name} has no caller`);
  return caller;
}
