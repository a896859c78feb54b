import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";
import { type ConnectionOptions, checkServerIdentity, getCACertificates } from "node:tls";
import type { DatabaseAddress } from "./address.ts";
import { DatabaseFault } from "./fault.ts";

/** What the driver is told of TLS; files are read anew for each pool. @throws DatabaseFault */
export function tlsOptions(address: DatabaseAddress): false | "prefer" | ConnectionOptions {
  const { ssl, rootCertificates, certificate } = address;
  if (ssl === "disable") return false;
  if (ssl === "prefer" && certificate === undefined) return "prefer";
  const verified = ssl === "verify-ca" || ssl === "verify-full";
  return {
    rejectUnauthorized: verified,
    ...(verified && rootCertificates !== undefined && { ca: authorities(rootCertificates) }),
    checkServerIdentity: ssl === "verify-full" ? identityAmong(address) : () => undefined,
    ...(certificate && {
      cert: readPem("sslcert", certificate.file),
      key: readKey(certificate.keyFile),
      passphrase: certificate.passphrase,
    }),
  };
}

function authorities(file: string): string[] | Buffer {
  return file === "system" ? getCACertificates("system") : readPem("sslrootcert", file);
}

/** Node compares the name that it asked for, and knows none where it asked for an IP address. */
function identityAmong({ hosts }: DatabaseAddress): NonNullable<ConnectionOptions["checkServerIdentity"]> {
  const addresses = hosts.map(({ host }) => host).filter((host) => isIP(host) !== 0);
  const names = new Set(hosts.map(({ host }) => host));
  return (name, certificate) => {
    const asked = names.has(name) ? [name] : addresses;
    const faults = asked.map((host) => checkServerIdentity(host, certificate));
    return faults.includes(undefined) ? undefined : (faults[0] ?? checkServerIdentity(name, certificate));
  };
}

function readPem(parameter: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const fault = missing ? "does not exist" : "cannot be read by the user of this process";
    throw new DatabaseFault(`${parameter} of the database's address: ${file} ${fault}`);
  }
}

function readKey(file: string): Buffer {
  const pem = readPem("sslkey", file);
  if ((statSync(file).mode & 0o007) !== 0) {
    throw new DatabaseFault(
      `sslkey of the database's address: ${file} is open to everybody: chmod 640 ${file}`,
    );
  }
  return pem;
}
