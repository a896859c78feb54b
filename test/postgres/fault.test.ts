import { chmodSync, cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { runMigrateCommand } from "../../src/postgres/migrate-command.ts";
import { openPool, usePool } from "../../src/postgres/open.ts";
import { type CertificateAndKey, CertificateAuthority } from "../support/certificates.ts";
import { createDatabase, useDatabase } from "../support/database.ts";
import { DatabaseProxy } from "../support/database-proxy.ts";
import { freePorts } from "../support/router-process.ts";
import { TlsFront } from "../support/tls-front.ts";

const folder = new URL("../../drizzle", import.meta.url).pathname;
const real = await useDatabase();
const name = new URL(real.url).pathname.slice(1);

/** The address of the database, changed. */
function at(change: (url: URL) => void): string {
  const url = new URL(real.url);
  change(url);
  return url.href;
}

async function refusalOf(url: string, allGrants = true): Promise<string> {
  const opened = openPool({ url, variable: "DATABASE_URL", connections: 1, allGrants });
  const error: unknown = await opened.then(
    (database) => database.close(),
    (reason: unknown) => reason,
  );
  if (!(error instanceof Error)) return "none";
  expect(error.name).toBe("DatabaseFault");
  expect(error.message).not.toContain(new URL(real.url).password);
  return error.message;
}

describe("a database that cannot be reached or entered", () => {
  it.each([
    ["a wrong password", (url: URL) => (url.password = "wrong"), /refuses the user or the password \(28P01/],
    [
      "a database that is not there",
      (url: URL) => (url.pathname = "/none"),
      /there is no such database \(3D000/,
    ],
    [
      "a port where nothing listens",
      (url: URL) => (url.port = "1"),
      /:1\/test_\w+\): nothing listens there \(ECONN/,
    ],
    [
      "a name that is none",
      (url: URL) => (url.hostname = "db.invalid"),
      /name of the host is not known|DNS does not/,
    ],
    [
      "options that are none",
      (url: URL) => (url.search = "options=-c%20no_such=1"),
      /does not know a setting/,
    ],
    [
      "a server without TLS",
      (url: URL) => (url.search = "sslmode=require"),
      /it speaks no TLS, which sslmode demands/,
    ],
  ])("says so of %s, with the cure", async (_, change, message) => {
    const said = await refusalOf(at(change));
    expect(said).toMatch(message);
    expect(said).toMatch(/^the database of DATABASE_URL \(.*\): .*\. [A-Z].*\.$/);
  });

  it("says so of a host that resets connections", async () => {
    await using proxy = await DatabaseProxy.start(real.url);
    await proxy.turn("reset");
    expect(await refusalOf(proxy.url)).toMatch(/it (cut|closed) the connection/);
  });

  it("takes the next of several hosts, and says it of the last where all are away", async () => {
    const [one, other] = await freePorts(2);
    const { host } = new URL(real.url);
    const hosts = (text: string) => real.url.replace(host, text);
    expect(await refusalOf(hosts(`127.0.0.1:${one},${host}`))).toBe("none");
    expect(await refusalOf(hosts(`127.0.0.1:${one},127.0.0.1:${other}`))).toMatch(
      `(127.0.0.1:${one},127.0.0.1:${other}/${name}): nothing listens there (ECONNREFUSED)`,
    );
  });
});

async function migrated(url: string, command: string): Promise<string> {
  const lines: string[] = [];
  const options = {
    url,
    variable: "DATABASE_MIGRATION_URL",
    folder,
    print: (line: string) => lines.push(line),
  };
  await runMigrateCommand([command], options);
  return lines.join("\n");
}

describe("a role", () => {
  const role = `${name}_reader`;
  const url = at((one) => {
    one.username = role;
    one.password = "reader";
  });

  beforeAll(() => real.sql.unsafe(`create role ${role} login password 'reader'`));
  afterAll(async () => {
    await real.sql.unsafe(`drop owned by ${role}`);
    await real.sql.unsafe(`drop role ${role}`);
  });

  it("that lacks rights is told the statements which grant them, and they suffice", async () => {
    const refusal = await refusalOf(url);
    expect(refusal).toContain(`\n    grant select, insert on public.signature to ${role};`);
    for (const [, statement = ""] of refusal.matchAll(/^ {4}(grant .*);$/gm))
      await real.sql.unsafe(statement);
    expect(await refusalOf(url)).toBe("none");
  });

  it("that may not migrate is told the statements which let it", async () => {
    await using empty = await createDatabase({ empty: true });
    const [other] = [new URL(url)];
    other.pathname = new URL(empty.url).pathname;
    const up = () => migrated(other.href, "up");
    const refusal = await up();
    expect(refusal).toMatch(/its role lacks rights\. Run as the owner/);
    for (const [, statement = ""] of refusal.matchAll(/^ {4}(grant .*);$/gm))
      await empty.sql.unsafe(statement);
    expect(await up()).toMatch(/^applied: 0000_/);
    await empty.sql.unsafe(
      `reassign owned by ${role} to current_user; revoke all on drizzle.__drizzle_migrations from ${role}`,
    );
    expect(await migrated(other.href, "status")).toContain(
      `grant select on drizzle.__drizzle_migrations to ${role};`,
    );
    expect(await migrated(other.href, "down")).toContain(
      `alter table drizzle.__drizzle_migrations owner to ${role};`,
    );
    await empty.sql.unsafe(`drop owned by ${role}`);
  });

  it("of a tool is told what it lacks once it is refused", async () => {
    await real.sql.unsafe(`revoke delete on prefix_traffic from ${role}`);
    const location = { url, variable: "DATABASE_URL" };
    const database = await openPool({ ...location, connections: 1, allGrants: false });
    onTestFinished(() => database.close());
    const use = usePool(location, database, async () => await database.sql`delete from prefix_traffic`);
    await expect(use).rejects.toThrow(`grant delete on public.prefix_traffic to ${role};`);
  });
});

describe("sslmode", () => {
  let authority: CertificateAuthority;
  let named: CertificateAndKey;
  let client: CertificateAndKey;

  beforeAll(() => {
    authority = new CertificateAuthority();
    named = authority.issue("db", "DNS:localhost,IP:127.0.0.1,IP:::1");
    client = authority.issue("client", "DNS:client");
  });

  afterAll(() => authority[Symbol.dispose]());

  const through = (front: TlsFront, host: string, query: string) =>
    at((url) => {
      url.host = `${host}:${front.port}`;
      url.search = query;
    });

  it.each(["localhost", "127.0.0.1", "[::1]"])("verify-full compares the name %s", async (host) => {
    await using front = await TlsFront.start(real.url, named);
    const root = `sslrootcert=${authority.certFile}`;
    expect(await refusalOf(through(front, host, `sslmode=verify-full&${root}`))).toBe("none");
    expect(front.encrypted).toBe(true);
    await using other = await TlsFront.start(
      real.url,
      authority.issue("other", "DNS:other.bank,IP:127.0.0.9"),
    );
    expect(await refusalOf(through(other, host, `sslmode=verify-full&${root}`))).toMatch(
      /its certificate has another name \(ERR_TLS_CERT_ALTNAME_INVALID\)\. Use a name that stands in it/,
    );
    expect(await refusalOf(through(other, host, `sslmode=verify-ca&${root}`))).toBe("none");
    expect(await refusalOf(through(other, host, `sslmode=require&${root}`))).toBe("none");
  });

  it("require takes any certificate, and verify-ca only one of the authority", async () => {
    using stranger = new CertificateAuthority("Stranger");
    await using front = await TlsFront.start(real.url, stranger.issue("db", "DNS:localhost"));
    expect(await refusalOf(through(front, "localhost", "sslmode=require"))).toBe("none");
    const verified = `sslmode=verify-ca&sslrootcert=${authority.certFile}`;
    expect(await refusalOf(through(front, "localhost", verified))).toMatch(
      /its certificate is of an unknown authority/,
    );
  });

  it("says that a certificate has expired", async () => {
    await using front = await TlsFront.start(real.url, authority.issue("old", "DNS:localhost", -1));
    const query = `sslmode=verify-full&sslrootcert=${authority.certFile}`;
    expect(await refusalOf(through(front, "localhost", query))).toMatch(
      /its certificate has expired .* Renew/,
    );
  });

  it("prefer takes what there is, and disable no TLS", async () => {
    await using secure = await TlsFront.start(real.url, named);
    await using plain = await TlsFront.start(real.url);
    expect(await refusalOf(through(secure, "localhost", "sslmode=prefer"))).toBe("none");
    expect(secure.encrypted).toBe(true);
    expect(await refusalOf(through(plain, "localhost", "sslmode=prefer"))).toBe("none");
    expect(await refusalOf(through(secure, "localhost", "sslmode=disable"))).toBe("none");
    expect(secure.encrypted).toBe(false);
  });

  it("shows a client's certificate, whose key is not open to everybody", async () => {
    const tls = { ...named, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
    await using front = await TlsFront.start(real.url, tls);
    chmodSync(client.keyFile, 0o640);
    const query = `sslmode=verify-full&sslrootcert=${authority.certFile}`;
    const shown = `${query}&sslcert=${client.certFile}&sslkey=`;
    expect(await refusalOf(through(front, "localhost", `${shown}${client.keyFile}`))).toBe("none");
    expect(await refusalOf(through(front, "localhost", query))).toMatch(
      /cut the connection|closed|TLS with it fails/,
    );
    const open = join(authority.directory, "open.key");
    cpSync(client.keyFile, open);
    chmodSync(open, 0o644);
    expect(await refusalOf(through(front, "localhost", `${shown}${open}`))).toMatch(
      /is open to everybody: chmod 640/,
    );
    expect(await refusalOf(through(front, "localhost", `${shown}/none`))).toMatch(
      /sslkey .*: \/none does not exist/,
    );
  });
});
