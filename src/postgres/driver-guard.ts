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

const openingMends: readonly Mend[] = [
  {
    // The session's settings go with the query that every connection begins with, before any other statement: startup
    // parameters are refused by poolers, or dropped.
    line: "    const types = await new Query([`\n",
    by: "    const types = await new Query([(options.opening || '') + `\n",
  },
  {
    line: `    \`], [], execute)
    types.forEach(`,
    by: `    \`], [], execute, null, { simple: true })
    ;(options.opening ? types.at(-1) : types).forEach(`,
  },
  {
    // A connection without its settings would have gone into the pool.
    line: "      if (errorResponse) {\n        query.retried\n",
    by: `      if (errorResponse && initial) {
        errored(errorResponse)
        return terminate()
      } else if (errorResponse) {
        query.retried
`,
  },
  {
    // A server without TLS was sent a handshake that it takes for nonsense.
    line: `      if (!canSSL && ssl === 'prefer')
        return connected()
`,
    by: `      if (!canSSL && ssl === 'prefer')
        return connected()
      if (!canSSL) {
        error(Errors.generic('SSL_NOT_SUPPORTED', 'The server does not support SSL'))
        return socket.destroy()
      }
`,
  },
  {
    // Of several hosts none was ever the last, so that a query waited for ever, and the process span, while all were away.
    line: `      initial = query
      reconnect()
`,
    by: `      initial = query
      retries = 0
      reconnect()
`,
  },
  {
    line: `options.host[retries + 1])
      return
`,
    by: `options.host[retries + 1])
      return void retries++
`,
  },
];

const arrivalMends: readonly Mend[] = [
  {
    // A peer that takes the connection and closes it without an answer, as a load balancer without a server behind it
    // does: a new connection waited for its first query for ever, and made hundreds of connections a second.
    line: `    if (initial)
      return reconnect()
`,
    by: `    if (initial && !hadError && !terminated)
      error(Errors.connection('CONNECTION_CLOSED', options, socket))
    if (initial)
      return reconnect()
`,
  },
  {
    // A host that is switched off answers nothing; the next one was never asked.
    line: `    errored(Errors.connection('CONNECT_TIMEOUT', options, socket))
    socket.destroy()
`,
    by: "    socket.destroy(Errors.connection('CONNECT_TIMEOUT', options, socket))\n",
  },
];

const optionMends: readonly Mend[] = [
  {
    line: "    onnotice        : o.onnotice,\n",
    by: "    onnotice        : o.onnotice,\n    opening         : o.opening,\n",
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

const mends: Readonly<Record<string, readonly Mend[]>> = {
  connection: [...connectionMends, ...openingMends, ...arrivalMends],
  index: optionMends,
  query: queryMends,
};

/** Modules of the driver that are mended, by path or URL. */
export const guardedModules = /[\\/]postgres[\\/]src[\\/](?:connection|index|query)\.js$/;

/**
 * Mends what postgres.js 3.4.9 does where connections go under it: it may end the process, forget a query, or
 * wait for ever; and what its queries cost the collector of garbage.
 *
 * @param path of the module, or its URL
 * @throws Error where the source is another than this was made for
 */
export function guardedSource(path: string, source: string): string {
  const module = /(\w+)\.js$/.exec(path)?.[1] ?? "";
  return (mends[module] ?? []).reduce((text, { line, by, times = 1 }) => {
    if (text.split(line).length - 1 !== times) {
      throw new Error("postgres.js is not the version that src/postgres/driver-guard.ts was made for");
    }
    return text.replaceAll(line, () => by);
  }, source);
}
