/**
 * postgres.js 3.4.9 ends the process when a connection goes while a write of its waits for the end of the
 * event loop's turn: `nextWrite` then writes to a socket that is null (porsager/postgres #1154, #1208).
 * Cancelling the wait without forgetting it would leave a pooled connection that never writes again.
 * Nor does anybody hear of its own query for array types, which a new connection begins with, when the
 * connection goes in the middle of it: an unhandled rejection. And a query that is sent between a socket's
 * error and its end is never rejected, and keeps the connection from being used again, for good; an error that
 * was half read would fail the first query of the next connection.
 *
 * @param source of `postgres/src/connection.js`
 * @returns the same with all of it mended
 * @throws Error where the source is another than this was made for
 */
export function guardedConnectionSource(source: string): string {
  const write = "    const x = socket.write(chunk, fn)\n";
  const cancel = "    clearImmediate(nextWriteTimer)\n";
  const types = "return fetchArrayTypes()\n";
  const lost =
    "    !hadError && (query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))\n";
  const found = (text: string) => source.split(text).length - 1;
  if (found(write) !== 1 || found(types) !== 1 || found(lost) !== 1 || found(cancel) !== 2) {
    throw new Error("postgres.js is not the version that src/postgres/driver-guard.ts was made for");
  }
  return source
    .replace(
      write,
      `    if (socket === null) {
      nextWriteTimer !== null && clearImmediate(nextWriteTimer)
      chunk = nextWriteTimer = null
      ;(query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))
      return false
    }
${write}`,
    )
    .replace(
      lost,
      `    ;(query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))
    query = results = errorResponse = null
    result = new Result()
    rows = 0
`,
    )
    .replace(types, "return fetchArrayTypes().catch(errored)\n")
    .replaceAll(cancel, `${cancel}    chunk = nextWriteTimer = null\n`);
}

/** Whether a module is the one that is guarded. */
export const guardedModule = /[\\/]postgres[\\/]src[\\/]connection\.js$/;
