import { isOpen } from "../domain/signature.ts";
import type { SignatureService } from "../gen/bank/signature/v1/signature_service_pb.ts";
import type { AbortSignature } from "../usecases/abort-signature.ts";
import type { CompleteSignature } from "../usecases/complete-signature.ts";
import type { GetSignature } from "../usecases/get-signature.ts";
import type { SendChallenge } from "../usecases/send-challenge.ts";
import type { StartSignature } from "../usecases/start-signature.ts";
import type { WatchSignature } from "../usecases/watch-signature.ts";
import { type CallContext, callerOf, callOf } from "./call.ts";
import {
  abortCommand,
  completeCommand,
  sendCommand,
  signatureQuery,
  startCommand,
} from "./convert-request.ts";
import { historyMessage, signatureMessage, warningMessage } from "./convert-response.ts";
import { type Keepalive, repeatWhenSilent } from "./repeat-when-silent.ts";
import type { Handlers } from "./routes.ts";

export interface SignatureServiceDeps {
  readonly startSignature: Pick<StartSignature, "execute">;
  readonly sendChallenge: Pick<SendChallenge, "execute">;
  readonly completeSignature: Pick<CompleteSignature, "execute">;
  readonly abortSignature: Pick<AbortSignature, "execute">;
  readonly getSignature: Pick<GetSignature, "execute">;
  readonly watchSignature: Pick<WatchSignature, "execute">;
  /** Life of a signature whose request names none. */
  readonly defaultTtlMs: number;
  /** Fires, with the Failure that callers shall see, when the server starts to close: streams end at once. */
  readonly closing: AbortSignal;
  /** Undefined: a watch is silent between changes. */
  readonly keepalive?: Keepalive;
}

// Without a deadline the answer comes within 20 s; the margin is what it takes to get it to the caller.
const longestWaitMs = 20_000;
const answerMarginMs = 200;

/** How long a call that sends may wait for the outcome; never below 0. */
export function waitMs(remainingMs: number | undefined): number {
  return Math.max(0, Math.floor((remainingMs ?? longestWaitMs) - answerMarginMs));
}

/** Handlers of bank.signature.v1: convert, execute, convert. */
export function signatureService(deps: SignatureServiceDeps): Handlers<typeof SignatureService> {
  return {
    async startSignature(request, context) {
      const command = startCommand(request, callerOf(context).name, deps.defaultTtlMs);
      const { signature, replayed } = await deps.startSignature.execute(
        command,
        waitMs(context.timeoutMs()),
        callOf(context.values).isWanted,
      );
      note(context, signature.id);
      return {
        signature: signatureMessage(signature),
        replayed,
        warnings: command.warnings.map(warningMessage),
      };
    },

    async sendChallenge(request, context) {
      const command = sendCommand(request, callerOf(context).name);
      note(context, command.signatureId);
      const { signature, replayed } = await deps.sendChallenge.execute(
        command,
        waitMs(context.timeoutMs()),
        callOf(context.values).isWanted,
      );
      return { signature: signatureMessage(signature), replayed };
    },

    async completeSignature(request, context) {
      const command = completeCommand(request, callerOf(context).name);
      note(context, command.signatureId);
      const { signature, receipt } = await deps.completeSignature.execute(command);
      return { signature: signatureMessage(signature), receipt };
    },

    async abortSignature(request, context) {
      const command = abortCommand(request, callerOf(context).name);
      note(context, command.signatureId);
      return { signature: signatureMessage(await deps.abortSignature.execute(command)) };
    },

    async getSignature(request, context) {
      const query = signatureQuery(request, callerOf(context).name);
      note(context, query.signatureId);
      return historyMessage(await deps.getSignature.execute(query));
    },

    async *watchSignature(request, context) {
      const query = signatureQuery(request, callerOf(context).name);
      note(context, query.signatureId);
      const ended = AbortSignal.any([context.signal, deps.closing]);
      const changes = deps.watchSignature.execute(query, ended);
      for await (const signature of repeatWhenSilent(changes, deps.keepalive)) {
        yield { signature: signatureMessage(signature) };
        if (!isOpen(signature.status)) return;
      }
      ended.throwIfAborted();
    },
  };
}

function note(context: Pick<CallContext, "values">, signatureId: string): void {
  callOf(context.values).signatureId = signatureId;
}
