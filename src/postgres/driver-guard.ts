/** A line of `postgres/src/connection.js`, and what stands for it. */
interface Mend {
  readonly line: string;
  readonly by: string;
  /** How often the line stands there; once unless given. */
  readonly times?: number;
}

const closedError = "error(Errors.connection('CONNECTION_CLOSED', options, socket))\n";

const connectionMends: readonly Mend[] = [
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
    // A statement that fails after its first row leaves its count of rows behind: the next result on that connection
    // begins with as many holes.
    line: "    result = new Result()\n    connectTimer.cancel()\n",
    by: "    result = new Result()\n    rows = 0\n    connectTimer.cancel()\n",
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

const queryMends: readonly Mend[] = [
  {
    // V8 collects an object that holds a function which closes over it with the old generation only (seen with Node 24
    // and 26, not with 20), and with it parameters and rows: a third of what a start left there. Methods do the same.
    line: `    this.resolve = x => (this.active = false, resolve(x))
    this.reject = x => (this.active = false, reject(x))

    this.active = false
`,
    by: "    this.settle = { resolve, reject }\n    this.active = false\n",
  },
  {
    line: "  get origin() {\n",
    by: `  resolve(x) {
    this.active = false
    this.settle.resolve(x)
  }

  reject(x) {
    this.active = false
    this.settle.reject(x)
  }

  get origin() {
`,
  },
];

/** Modules of the driver that are mended, by path or URL. */
export const guardedModules = /[\\/]postgres[\\/]src[\\/](?:connection|query)\.js$/;

/**
 * Mends what postgres.js 3.4.9 does where connections go under it: it may end the process, forget a query, or
 * wait for ever; and what its queries cost the collector of garbage.
 *
 * @param path of the module, or its URL
 * @throws Error where the source is another than this was made for
 */
export function guardedSource(path: string, source: string): string {
  const mends = /connection\.js$/.test(path) ? connectionMends : queryMends;
  return mends.reduce((text, { line, by, times = 1 }) => {
    if (text.split(line).length - 1 !== times) {
      throw new Error("postgres.js is not the version that src/postgres/driver-guard.ts was made for");
    }
    return text.replaceAll(line, () => by);
  }, source);
}
