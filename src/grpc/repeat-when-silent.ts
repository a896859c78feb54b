import type { Clock } from "../domain/clock.ts";

/** When a stream says its last message again. */
export interface Keepalive {
  readonly everyMs: number;
  readonly clock: Pick<Clock, "sleep">;
}

/**
 * The same messages, and the last one again after each pause of `everyMs`: proxies that end HTTP/2 themselves pass no
 * pings on, and cut a stream on which nothing comes (nginx and AWS after 60 s, Envoy after 5 min).
 */
export async function* repeatWhenSilent<T>(
  messages: AsyncIterable<T>,
  keepalive: Keepalive | undefined,
): AsyncGenerator<T> {
  if (keepalive === undefined) {
    yield* messages;
    return;
  }
  const iterator = messages[Symbol.asyncIterator]();
  let last: { readonly value: T } | undefined;
  let next = iterator.next();
  try {
    for (;;) {
      // It may fail while a repeated message is on its way, when nobody awaits it.
      next.catch(() => undefined);
      const result = await withinPause(next, keepalive);
      if (result === undefined) {
        if (last !== undefined) yield last.value;
        continue;
      }
      if (result.done) return;
      last = result;
      yield result.value;
      next = iterator.next();
    }
  } finally {
    // Not awaited: it waits for a message that is still being made, whose maker hears the same signal.
    iterator.return?.().catch(() => undefined);
  }
}

async function withinPause<T>(next: Promise<T>, { everyMs, clock }: Keepalive): Promise<T | undefined> {
  const over = new AbortController();
  const pause = clock.sleep(everyMs, over.signal).catch(() => undefined);
  try {
    return await Promise.race([next, pause.then(() => undefined)]);
  } finally {
    over.abort();
  }
}
