/** How a connection is encrypted, in the words of libpq's sslmode. */
export type SslMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

/** What DATABASE_URL says, taken apart. */
export interface DatabaseAddress {
  /** Names, IP addresses, or directories of Unix sockets; several are one primary and its stand-bys. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** Undefined: the user of this process, as psql does it. */
  readonly user: string | undefined;
  readonly password: string;
  readonly database: string | undefined;
  readonly ssl: SslMode;
  /** `system`: those that Node brings. */
  readonly rootCertificates: string | undefined;
  readonly certificate:
    | { readonly file: string; readonly keyFile: string; readonly passphrase: string }
    | undefined;
  /** Further settings as the server's command line has them. */
  readonly options: string | undefined;
  readonly applicationName: string | undefined;
  readonly connectSeconds: number | undefined;
}

const form = "must be postgres://user:password@host:port/database";
const encoding = "write % as %25, # as %23, / as %2F, ? as %3F, @ as %40 in user and password";

const sslModes: Readonly<Record<string, SslMode>> = {
  disable: "disable",
  allow: "prefer",
  prefer: "prefer",
  require: "require",
  "verify-ca": "verify-ca",
  "verify-full": "verify-full",
};

/** Parameters of other clients, and what stands for them here. */
const foreign: Readonly<Record<string, string>> = {
  ssl: "say sslmode=require or sslmode=verify-full",
  schema: "leave it out: the tables are in schema public",
  search_path: "leave it out: the tables are in schema public",
  currentschema: "leave it out: the tables are in schema public",
  pgbouncer: "leave it out: a pooler is recognised at the start",
  service: "write the address out",
  passfile: "write the password into the address",
  hostaddr: "name the address as host",
  sslcrl: "leave it out: revocation lists are not read",
};

/** libpq's, which change nothing here. */
const withoutEffect = new Set([
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"],
  ...["fallback_application_name", "sslcompression", "sslsni", "krbsrvname", "gsslib", "gssdelegation"],
]);

/** Parameters that may have these values only, and what to do otherwise. */
const limited: Readonly<Record<string, { readonly values: readonly string[]; readonly otherwise: string }>> =
  {
    channel_binding: {
      values: ["disable", "prefer"],
      otherwise: "leave it out, and say sslmode=verify-full, which keeps a man in the middle out as well",
    },
    gssencmode: { values: ["disable", "prefer"], otherwise: "say sslmode=verify-full" },
    client_encoding: { values: ["utf8", "utf-8", "auto"], otherwise: "leave it out: it is UTF8" },
    load_balance_hosts: { values: ["disable"], otherwise: "leave it out: the service needs the primary" },
    sslnegotiation: { values: ["postgres"], otherwise: "leave it out" },
    target_session_attrs: {
      values: ["primary", "read-write"],
      otherwise: "say primary, or leave it out: the service writes",
    },
  };

const known = [
  ...["host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey"],
  ...["sslpassword", "options", "application_name", "connect_timeout", ...Object.keys(limited)],
];

export interface ParsedAddress {
  readonly address: DatabaseAddress;
  /** Each to be said after the variable's name; none of them repeats what may be a password. */
  readonly faults: readonly string[];
}

const nowhere: DatabaseAddress = {
  ...{ hosts: [], user: undefined, password: "", database: undefined, ssl: "disable" },
  ...{ rootCertificates: undefined, certificate: undefined },
  ...{ options: undefined, applicationName: undefined, connectSeconds: undefined },
};

/** Reads an address as libpq does (PostgreSQL documentation, "Connection URIs"). */
export function parseAddress(url: string): ParsedAddress {
  const faults: string[] = [];
  const scheme = /^postgres(?:ql)?:\/\//.exec(url);
  if (scheme === null) return { address: nowhere, faults: [form] };
  const [, authority = "", path = "", query = ""] =
    /^([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(url.slice(scheme[0].length)) ?? [];
  const decoded = (text: string, what: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      faults.push(`has a % in the ${what} that is no code: ${encoding}`);
      return "";
    }
  };
  const at = authority.lastIndexOf("@");
  const [user = "", ...password] = at === -1 ? [] : authority.slice(0, at).split(":");
  const parameters = readParameters(query, decoded, faults);
  const hosts = readHosts(authority.slice(at + 1), parameters, decoded);
  // A part of the password may stand where parameters would: they are left alone.
  const swallowed = at === -1 && url.includes("@");
  if (swallowed) faults.splice(0, faults.length, `has / or ? in user or password: ${encoding}`);
  else if (hosts === undefined) faults.push(`has a host or port that is none: ${form}`);
  const applied = checkParameters(swallowed ? new Map() : parameters, faults);
  return {
    address: {
      hosts: hosts ?? [],
      user: parameters.get("user") ?? (decoded(user, "user") || undefined),
      password: parameters.get("password") ?? decoded(password.join(":"), "password"),
      database: parameters.get("dbname") ?? (decoded(path, "name of the database") || undefined),
      ...applied,
    },
    faults: [...new Set(faults)],
  };
}

type Decode = (text: string, what: string) => string;

function readParameters(query: string, decoded: Decode, faults: string[]): Map<string, string> {
  const parameters = new Map<string, string>();
  for (const pair of query.split("&").filter((part) => part !== "")) {
    const [name = "", ...value] = pair.split("=");
    const key = decoded(name, "parameters");
    if (parameters.has(key)) faults.push(`says ${key} twice`);
    parameters.set(key, decoded(value.join("="), "parameters"));
  }
  return parameters;
}

function readHosts(
  text: string,
  parameters: ReadonlyMap<string, string>,
  decoded: Decode,
): DatabaseAddress["hosts"] | undefined {
  const named = text === "" ? [] : text.split(",");
  const listed = parameters.get("host")?.split(",");
  const entries = (listed ?? (named.length > 0 ? named : ["localhost"])).map((entry) =>
    listed === undefined
      ? /^(?:\[([0-9a-fA-F:.]+(?:%[\w.~-]+)?)\]|([^:[\]#]*))(?::(\d*))?$/.exec(entry)
      : [entry, undefined, entry, ""],
  );
  const ports = parameters.get("port")?.split(",") ?? [];
  const hosts = entries.map((entry, n) => {
    const port = Number(ports[ports.length === 1 ? 0 : n] || entry?.[3] || 5432);
    return { host: decoded(entry?.[1] ?? entry?.[2] ?? "", "host") || "localhost", port };
  });
  const fits =
    entries.every((entry) => entry !== null) && (ports.length < 2 || ports.length === hosts.length);
  return fits && hosts.every(({ port }) => Number.isInteger(port) && port > 0 && port < 65_536)
    ? hosts
    : undefined;
}

type Applied = Omit<DatabaseAddress, "hosts" | "user" | "password" | "database">;

function checkParameters(parameters: ReadonlyMap<string, string>, faults: string[]): Applied {
  for (const [name, value] of parameters) {
    const cure = foreign[name.toLowerCase()];
    const limit = limited[name];
    if (limit !== undefined && !limit.values.includes(value.toLowerCase())) {
      faults.push(`has a ${name} that is not supported: ${limit.otherwise}`);
    } else if (cure !== undefined) faults.push(`has ${name}, which is not a parameter here: ${cure}`);
    else if (!known.includes(name) && !withoutEffect.has(name)) {
      faults.push(`has a parameter that is not known${nameOf(name)}: known are ${known.join(", ")}`);
    }
  }
  const mode = sslModes[parameters.get("sslmode") ?? "disable"];
  if (mode === undefined) faults.push(`must have one of ${Object.keys(sslModes).join(", ")} as sslmode`);
  const files = ["sslrootcert", "sslcert", "sslkey"].filter((name) => parameters.has(name));
  if (mode === "disable" && files.length > 0) {
    faults.push(`has ${files.join(", ")}, but no sslmode that uses it: say sslmode=verify-full`);
  }
  const [file, keyFile] = [parameters.get("sslcert"), parameters.get("sslkey")];
  if ((file === undefined) !== (keyFile === undefined)) faults.push("must have sslcert and sslkey together");
  const seconds = parameters.get("connect_timeout");
  if (seconds !== undefined && !/^[1-9]\d{0,2}$/.test(seconds)) {
    faults.push("must have whole seconds from 1 to 999 as connect_timeout");
  }
  const options = parameters.get("options");
  if (/search_path/i.test(options ?? ""))
    faults.push("has search_path in options: leave it out: the tables are in schema public");
  return {
    // As libpq: a certificate authority that is named is asked.
    ssl: mode === "require" && parameters.has("sslrootcert") ? "verify-ca" : (mode ?? "disable"),
    rootCertificates: parameters.get("sslrootcert"),
    certificate:
      file === undefined || keyFile === undefined
        ? undefined
        : { file, keyFile, passphrase: parameters.get("sslpassword") ?? "" },
    options,
    applicationName: parameters.get("application_name"),
    connectSeconds: seconds === undefined ? undefined : Number(seconds),
  };
}

/** A name that was misspelt; what does not look like one may be a part of a password. */
function nameOf(name: string): string {
  return /^[a-z_]{2,40}$/i.test(name) ? ` (${name})` : "";
}
