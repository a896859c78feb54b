import postgres, { type Sql } from "postgres";
import { type DatabaseAddress, parseAddress } from "./address.ts";
import { DatabaseFault } from "./fault.ts";
import { type Settings, settingStatement } from "./session.ts";
import { tlsOptions } from "./tls.ts";

export interface ConnectOptions {
  readonly connections: number;
  readonly connectSeconds: number;
  /** Put into force on each connection before anything else; undefined where they cannot be, and are the role's. */
  readonly settings: Settings | undefined;
}

/** @throws DatabaseFault */
export function addressOf(url: string): DatabaseAddress {
  const { address, faults } = parseAddress(url);
  if (faults.length > 0) throw new DatabaseFault(`the database's address ${faults.join("; it ")}`);
  return address;
}

/**
 * The one place that makes connections: for the service, migrations and tools. What the driver would take from PG*
 * variables is said here.
 * @throws DatabaseFault where the address is none, or a file that it names is not usable
 */
export function connect(url: string, { connections, connectSeconds, settings }: ConnectOptions): Sql {
  const address = addressOf(url);
  const [first] = address.hosts;
  const { user, database, password, options, applicationName } = address;
  const driverOptions = {
    host: address.hosts.map(({ host }) => host),
    port: address.hosts.map(({ port }) => port),
    ...(first?.host.startsWith("/") && { path: `${first.host}/.s.PGSQL.${first.port}` }),
    ...(user !== undefined && { user }),
    ...(database !== undefined && { database }),
    pass: () => password,
    ssl: tlsOptions(address),
    sslnegotiation: null,
    // Of several, the one that can be written to. The driver takes a stand-by for read-write.
    ...(address.hosts.length > 1 && { target_session_attrs: "primary" }),
    max: connections,
    connect_timeout: address.connectSeconds ?? connectSeconds,
    // The driver's own grows to 20 s, which a query would wait even after the database has come back.
    backoff: () => 0,
    keep_alive: 10,
    // A connection is never kept for good: DNS and failover addresses change.
    max_lifetime: 1800,
    idle_timeout: null,
    max_pipeline: 100,
    prepare: true,
    debug: false,
    fetch_types: true,
    publications: "alltables",
    connection: { application_name: applicationName ?? "signature-router", ...(options && { options }) },
    opening: settings && settingStatement(settings),
    // PostgreSQL's notices name tables and rows; the service has its own log.
    onnotice: () => undefined,
    types: { bigint: postgres.BigInt },
  };
  return postgres(driverOptions as unknown as postgres.Options<Record<string, never>>) as unknown as Sql;
}
