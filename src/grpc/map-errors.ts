import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { type Call, callOf } from "./call.ts";
import { toWireError, unreadable } from "./errors.ts";
import { type CountRefused, countedRefusal } from "./refused-calls.ts";

/**
 * Turns every error into what the error table says. A unary call is answered as soon as its deadline has
 * passed or its caller has gone; only the wait ends then, the work goes on and is recorded.
 */
export function mapErrors(countRefused: CountRefused): Interceptor {
  return (next) => async (request) => {
    const call = callOf(request.contextValues);
    call.reached = true;
    const { methodKind } = request.method;
    const readable = request.stream
      ? { ...request, message: readingOf(request.message, call, methodKind === "server_streaming") }
      : request;
    const refusal = async (error: unknown) =>
      refuse(call, await countedRefusal(call, error, countRefused), request.signal);
    try {
      const response = await unlessAborted(next(readable), request.signal);
      if (!response.stream) return response;
      return { ...response, message: mapStream(response.message, refusal) };
    } catch (error) {
      throw await refusal(error);
    }
  };
}

/**
 * The messages of a request; what cannot be parsed among them is the caller's fault, not the handler's. What is
 * no whole message is, too, but once a handler reads a stream of them, Connect's word for it stands.
 */
async function* readingOf<T>(messages: AsyncIterable<T>, call: Call, single: boolean): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    const code = error instanceof ConnectError && !call.refused ? error.code : undefined;
    const isUnreadable = code === Code.Internal || (single && code === Code.InvalidArgument);
    throw isUnreadable ? unreadable(error) : error;
  }
}

async function* mapStream<T>(
  messages: AsyncIterable<T>,
  refusal: (error: unknown) => Promise<ConnectError>,
): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw await refusal(error);
  }
}

/** The error for the caller; its reason and cause are noted for the access line. */
export function refuse(call: Call, error: unknown, signal?: AbortSignal): ConnectError {
  const wire = toWireError(endedByCaller(error, signal), call.observation.traceId);
  call.refused = true;
  call.reason = wire.reason;
  call.cause = wire.error.cause;
  return wire.error;
}

// A connection that breaks aborts with a plain AbortError; Connect's own reasons are ConnectErrors already.
function endedByCaller(error: unknown, signal: AbortSignal | undefined): unknown {
  if (!signal?.aborted || error !== signal.reason || error instanceof ConnectError) return error;
  return new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, error);
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
