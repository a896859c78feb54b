import type { DatabaseAddress } from "./address.ts";

/** Why the database cannot be used, and what to do about it, for an operator: it quotes no value of a row. */
export class DatabaseFault extends Error {
  override readonly name = "DatabaseFault";
}

/** What was being asked when it failed. */
export interface Asked {
  /** The variable that holds the address. */
  readonly variable: string;
  readonly address: Pick<DatabaseAddress, "hosts" | "user" | "database" | "ssl"> | undefined;
}

/** What is known of an error: the fault, and its cure. */
type Explanation = readonly [fault: string, cure: string];

const certificate =
  "sslrootcert must name the authority that issued it, and sslmode=verify-full the server's own name as host";

/** Faults of the way to the server, as Node and the driver name them. */
const ways: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: ["nothing listens there", "start PostgreSQL, or correct host and port"],
  ENOTFOUND: ["the name of the host is not known", "correct the host, or the DNS"],
  EAI_AGAIN: ["the DNS does not answer", "repeat, or look at the DNS"],
  CONNECT_TIMEOUT: [
    "it does not answer",
    "look at firewall, routes and load of the server, or correct the host",
  ],
  ETIMEDOUT: ["it does not answer", "look at firewall and routes, or correct the host"],
  EHOSTUNREACH: ["there is no route to the host", "look at network and routes, or correct the host"],
  ENETUNREACH: ["there is no route to the network", "look at network and routes, or correct the host"],
  EADDRNOTAVAIL: ["there is no free local port", "end what holds so many connections"],
  EMFILE: ["this process has no file descriptor left", "raise ulimit -n"],
  ECONNRESET: [
    "it cut the connection",
    "see the server's log; a proxy or a port of another service does that, too",
  ],
  EPIPE: ["it cut the connection", "see the server's log"],
  CONNECTION_CLOSED: [
    "it closed the connection",
    "see the server's log; it may be restarting. A proxy without a server behind it does that, too, or a port of another service",
  ],
  CONNECTION_ENDED: ["the connection was given up", "repeat"],
  CONNECTION_DESTROYED: ["none of its hosts is a primary", "name the primary too, or promote a stand-by"],
  ENOENT: ["there is no such Unix socket", "start PostgreSQL, or correct the directory"],
  EACCES: ["this user may not use the Unix socket", "give the user the right to enter the directory"],
  SSL_NOT_SUPPORTED: [
    "it speaks no TLS, which sslmode demands",
    "switch ssl on in the server, or say sslmode=disable",
  ],
  SASL_SIGNATURE_MISMATCH: ["it does not know the password that it asks for", "find out who answers there"],
  CERT_HAS_EXPIRED: ["its certificate has expired", "renew the server's certificate"],
  CERT_NOT_YET_VALID: ["its certificate is not valid yet", "set the clocks"],
  CERT_REVOKED: ["its certificate was revoked", "renew the server's certificate"],
  ERR_TLS_CERT_ALTNAME_INVALID: ["its certificate has another name", "use a name that stands in it as host"],
  SELF_SIGNED_CERT_IN_CHAIN: ["its certificate is of an unknown authority", certificate],
  DEPTH_ZERO_SELF_SIGNED_CERT: ["its certificate is self-signed", certificate],
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: ["its certificate is of an unknown authority", certificate],
  UNABLE_TO_GET_ISSUER_CERT: ["its certificate is of an unknown authority", certificate],
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: ["its certificate is of an unknown authority", certificate],
  ERR_OSSL_PEM_NO_START_LINE: ["a file of sslrootcert, sslcert or sslkey is no PEM", "give PEM files"],
};

/** What PostgreSQL and poolers say, by SQLSTATE, or its class. */
const states: Readonly<Record<string, Explanation>> = {
  "28P01": ["it refuses the user or the password", "correct them, or set the role's password"],
  "28000": [
    "it refuses this user from here",
    "see pg_hba.conf: user, database, host, and whether it demands TLS",
  ],
  "3D000": ["there is no such database", "create it, or correct the name"],
  "3F000": ["there is no schema public", "create schema public"],
  "42501": ["the role lacks a right", "run .deploy/postgres/grants.sql as the role that migrates"],
  "25006": ["the server is read-only, as a stand-by is", "name the primary, or all servers in one address"],
  "53300": ["it has no connection left", "raise max_connections or the pool, or lower DATABASE_CONNECTIONS"],
  "53100": ["its disk is full", "free or add disk"],
  "57P03": ["it is starting, stopping or recovering", "repeat once it is up"],
  "57014": ["a statement was cancelled, or took too long", "repeat; look at locks and load of the server"],
  "55P03": ["a lock was not to be had in time", "repeat once what holds the table is done (pg_locks)"],
  "42P01": ["a table is missing", "npm run migrate -- up"],
  "42703": ["a column is missing", "npm run migrate -- up"],
  "42883": ["a function is missing", "npm run migrate -- up"],
  "42704": ["it does not know a setting that the address demands", "correct options in the address"],
  "22023": ["it refuses the value of a setting", "correct options in the address"],
  "08P01": [
    "the pooler before it refuses the connection",
    "see the pooler's log, and its pools, users and databases",
  ],
  "26000": [
    "a pooler before it loses prepared statements",
    "pool_mode = session, or PgBouncer 1.21 or later",
  ],
  "08": ["the connection failed", "repeat; see the server's log"],
  "22": ["it refuses a value", "see the server's log"],
  "23": ["a row contradicts the schema", "see the server's log"],
  "25": ["a transaction is not as it should be", "see the server's log"],
  "28": ["it refuses the user", "see pg_hba.conf and the role"],
  "40": ["transactions were in each other's way", "repeat"],
  "42": [
    "it does not understand a statement",
    "see whether this release fits the schema: npm run migrate -- status",
  ],
  "53": ["it is out of resources", "see the server's log"],
  "54": ["it is beyond a limit of its own", "see the server's log"],
  "57": ["it ended the connection", "repeat once it is up"],
  "58": ["its disk or system fails", "see the server's log"],
};

// Their texts name roles, databases and settings, and no row.
const quotable = /^(08|28|3D|3F|53|57|42501)/;

/** The fault of an error that came of asking the database; undefined where it did not. */
export function databaseFault(error: unknown, { variable, address }: Asked): DatabaseFault | undefined {
  if (error instanceof DatabaseFault) return error;
  if (!(error instanceof Error) || !("code" in error) || isOfFile(error)) return undefined;
  const code = String(error.code);
  const ssl = /^ERR_SSL_|^ERR_OSSL_|^ERR_TLS_/.test(code) ? tlsFailed : undefined;
  const found = ways[code] ?? states[code] ?? (isState(error) ? states[code.slice(0, 2)] : undefined) ?? ssl;
  const [fault, cure] = found ?? (isState(error) ? unexpected : ([] as const));
  if (fault === undefined || cure === undefined) return undefined;
  const said = isState(error) && quotable.test(code) ? `: "${error.message}"` : "";
  return new DatabaseFault(`${placeOf(variable, address)}: ${fault} (${code}${said}). ${sentence(cure)}`, {
    cause: error,
  });
}

const tlsFailed: Explanation = [
  "TLS with it fails",
  "compare sslmode, sslcert and sslkey with what the server demands",
];
const unexpected: Explanation = ["it failed", "see the server's log"];

const sentence = (text: string): string => `${text[0]?.toUpperCase()}${text.slice(1)}.`;

/** Tools write files as well, which may be missing or refused. */
function isOfFile(error: Error): boolean {
  return "syscall" in error && !/^(connect|getaddrinfo|read|write)$/.test(String(error.syscall));
}

function isState(error: Error): boolean {
  return error.name === "PostgresError";
}

/** The database as messages name it: where it is, and nothing that lets anybody in. */
export function placeOf(variable: string, address: Asked["address"]): string {
  if (address === undefined) return `the database of ${variable}`;
  const hosts = address.hosts.map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`);
  const name = address.database === undefined ? "" : `/${address.database}`;
  return `the database of ${variable} (${hosts.join(",")}${name})`;
}
