/**
 * postgres.js 3.4.9 ends the process when a connection goes while a write of its waits for the end of the
 * event loop's turn: `nextWrite` then writes to a socket that is null (porsager/postgres #1154, #1208).
 * Cancelling the wait without forgetting it would leave a pooled connection that never writes again.
 *
 * @param source of `postgres/src/connection.js`
 * @returns the same with both mended
 * @throws Error where the source is another than this was made for
 */
export function guardedConnectionSource(source: string): string {
  const write = "    const x = socket.write(chunk, fn)\n";
  const cancel = "    clearImmediate(nextWriteTimer)\n";
  if (source.split(write).length !== 2 || source.split(cancel).length !== 3) {
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
    .replaceAll(cancel, `${cancel}    chunk = nextWriteTimer = null\n`);
}

/** Whether a module is the one that is guarded. */
export const guardedModule = /[\\/]postgres[\\/]src[\\/]connection\.js$/;
