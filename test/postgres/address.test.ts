import { describe, expect, it } from "vitest";
import { readDatabaseConfig } from "../../src/config.ts";
import { parseAddress } from "../../src/postgres/address.ts";

const read = (url: string) => {
  const { address, faults } = parseAddress(url);
  expect(faults).toEqual([]);
  return address;
};

describe("parseAddress", () => {
  it.each([
    ["postgres://u:p@db/x", [{ host: "db", port: 5432 }]],
    ["postgresql://u:p@10.0.0.7:6432/x", [{ host: "10.0.0.7", port: 6432 }]],
    ["postgres://u:p@[::1]:5433/x", [{ host: "::1", port: 5433 }]],
    ["postgres://u:p@[fe80::1%25eth0]/x", [{ host: "fe80::1%eth0", port: 5432 }]],
    [
      "postgres://u:p@a,[2001:db8::2]:7/x",
      [
        { host: "a", port: 5432 },
        { host: "2001:db8::2", port: 7 },
      ],
    ],
    [
      "postgres://u:p@/x?host=a,b&port=1,2",
      [
        { host: "a", port: 1 },
        { host: "b", port: 2 },
      ],
    ],
    [
      "postgres://u:p@a,b/x?port=7",
      [
        { host: "a", port: 7 },
        { host: "b", port: 7 },
      ],
    ],
    ["postgres://u@%2Fvar%2Frun%2Fpostgresql/x", [{ host: "/var/run/postgresql", port: 5432 }]],
    ["postgres:///x", [{ host: "localhost", port: 5432 }]],
  ])("finds the hosts of %s", (url, hosts) => {
    expect(read(url).hosts).toEqual(hosts);
  });

  it.each([
    ["%25%23%2F%3F%40%3A", "%#/?@:"],
    ["a#b", "a#b"],
    ["a@b", "a@b"],
    ["a:b", "a:b"],
    ["a+b%20c", "a+b c"],
    ["", ""],
  ])("reads the password %s as %s", (written, password) => {
    expect(read(`postgres://us%40er:${written}@db:1/x`)).toMatchObject({
      user: "us@er",
      password,
      hosts: [{ host: "db", port: 1 }],
      database: "x",
    });
  });

  it("takes libpq's parameters, and drops those that change nothing", () => {
    const url = "postgres://db/?user=u&password=p%26&dbname=d&options=-c%20geqo%3Doff&application_name=a";
    expect(
      read(`${url}&connect_timeout=3&keepalives=1&gssencmode=prefer&channel_binding=prefer`),
    ).toMatchObject({
      ...{ user: "u", password: "p&", database: "d", options: "-c geqo=off", applicationName: "a" },
      connectSeconds: 3,
    });
  });

  it.each([
    ["", "disable"],
    ["sslmode=allow", "prefer"],
    ["sslmode=require", "require"],
    ["sslmode=require&sslrootcert=/ca.pem", "verify-ca"],
    ["sslmode=verify-full&sslrootcert=system", "verify-full"],
  ])("encrypts by ?%s as %s", (query, ssl) => {
    expect(read(`postgres://u:p@db/x?${query}`).ssl).toBe(ssl);
  });

  it.each([
    ["mysql://u:p@db/x", "must be postgres://user:password@host:port/database"],
    ["host=db user=u", "must be postgres://user:password@host:port/database"],
    ["postgres://u:pa/ss@db/x", "has / or ? in user or password: write % as %25"],
    ["postgres://u:pa?ss@db/x", "has / or ? in user or password: write % as %25"],
    ["postgres://u:50%@db/x", "has a % in the password that is no code: write % as %25"],
    ["postgres://u:p@db:port/x", "has a host or port that is none"],
    ["postgres://u:p@db:70000/x", "has a host or port that is none"],
    ["postgres://u:p@::1/x", "has a host or port that is none"],
    ["postgres://u:p@a,b,c/x?port=1,2", "has a host or port that is none"],
    [
      "postgres://u:p@db/x?channel_binding=require",
      "has a channel_binding that is not supported: leave it out",
    ],
    [
      "postgres://u:p@db/x?sslmode=on",
      "must have one of disable, allow, prefer, require, verify-ca, verify-full",
    ],
    ["postgres://u:p@db/x?ssl=true", "has ssl, which is not a parameter here: say sslmode=require"],
    ["postgres://u:p@db/x?sslrootcert=/ca.pem", "has sslrootcert, but no sslmode that uses it"],
    ["postgres://u:p@db/x?sslmode=require&sslcert=/c", "must have sslcert and sslkey together"],
    ["postgres://u:p@db/x?search_path=bank", "leave it out: the tables are in schema public"],
    ["postgres://u:p@db/x?options=-csearch_path%3Dbank", "leave it out: the tables are in schema public"],
    ["postgres://u:p@a,b/x?target_session_attrs=any", "say primary, or leave it out: the service writes"],
    ["postgres://u:p@db/x?statement_timeout=1", "has a parameter that is not known (statement_timeout)"],
    ["postgres://u:p@db/x?connect_timeout=soon", "must have whole seconds from 1 to 999 as connect_timeout"],
  ])("says what is wrong with %s", (url, fault) => {
    expect(parseAddress(url).faults).toEqual([expect.stringContaining(fault)]);
  });

  it("never repeats what may be a password", () => {
    for (const secret of ["hunter/2", "hunter?2", "hunter%2", "hunter?2=1&hunter/2", "1?hunter=1"]) {
      for (const fault of parseAddress(`postgres://u:${secret}@db/x`).faults)
        expect(fault).not.toMatch(/hunter/);
    }
  });

  it("is asked by the configuration, which names all faults of both addresses at once", () => {
    const variables = {
      DATABASE_URL: "postgres://u:p@db/x?ssl=true&channel_binding=require",
      DATABASE_MIGRATION_URL: "postgres://u:1%@db/x",
    };
    expect(() => readDatabaseConfig(variables)).toThrow(
      /3 faults:\n.*DATABASE_URL has .*\n.*DATABASE_URL has .*\n.*DATABASE_MIGRATION_URL has a %/,
    );
  });
});
