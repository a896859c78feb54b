/** A line of `postgres/src/connection.js`, and what stands for it. */
interface Mend {
  readonly line: string;
  readonly by: string;
  /** How often the line stands there; once unless given. */
  readonly times?: number;
}

const closedError = "error(Errors.connection('CONNECTION_CLOSED', options, socket))\n";

const mends: readonly Mend[] = [
  {
    // A write waits for the end of the turn; a connection that goes meanwhile leaves no socket to write to, and
    // the process ended by it (porsager/postgres #1154, #1208).
    line: "    const x = socket.write(chunk, fn)\n",
    by: `    if (socket === null) {
      nextWriteTimer !== null && clearImmediate(nextWriteTimer)
      chunk = nextWriteTimer = null
      ;(query || sent.length) && ${closedError}      return false
    }
    const x = socket.write(chunk, fn)
`,
  },
  {
    // Cancelling that wait without forgetting it would leave a pooled connection that never writes again.
    line: "    clearImmediate(nextWriteTimer)\n",
    by: "    clearImmediate(nextWriteTimer)\n    chunk = nextWriteTimer = null\n",
    times: 2,
  },
  {
    // Nobody heard of its own first query where the connection went in the middle of it: an unhandled rejection.
    line: "return fetchArrayTypes()\n",
    by: "return fetchArrayTypes().catch(errored)\n",
  },
  {
    // A query sent between a socket's error and its end was never rejected, and kept the connection from being
    // used again; an error that was half read failed the first query of the next connection.
    line: `    !hadError && (query || sent.length) && ${closedError}`,
    by: `    ;(query || sent.length) && ${closedError}    query = results = errorResponse = null
    result = new Result()
    rows = 0
`,
  },
  {
    // An end that waits for what is under way was not told that the connection had gone with it.
    line: "    onclose(connection, Errors.connection('CONNECTION_CLOSED', options, socket))\n",
    by: `    onclose(connection, Errors.connection('CONNECTION_CLOSED', options, socket))
    initial || ended && (ended(), ending = ended = null)
`,
  },
  {
    // A peer that is silent never closes, and a transaction is only given up once its connection is closed.
    line: "      socket.readyState === 'open' && socket.end(b().X().end())\n",
    by: `      socket.readyState === 'open' && socket.end(b().X().end())
      socket.readyState !== 'opening' && socket.destroySoon()
`,
  },
];

/**
 * Mends what postgres.js 3.4.9 does where connections go under it: it may end the process, forget a query, or
 * wait for ever.
 *
 * @param source of `postgres/src/connection.js`
 * @throws Error where the source is another than this was made for
 */
export function guardedConnectionSource(source: string): string {
  return mends.reduce((mended, { line, by, times = 1 }) => {
    if (mended.split(line).length - 1 !== times) {
      throw new Error("postgres.js is not the version that src/postgres/driver-guard.ts was made for");
    }
    return mended.replaceAll(line, () => by);
  }, source);
}

/** Whether a module is the one that is guarded. */
export const guardedModule = /[\\/]postgres[\\/]src[\\/]connection\.js$/;
