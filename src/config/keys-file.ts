import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileFault } from "../domain/file-fault.ts";
import type { KeySource, Keys } from "../domain/keys.ts";
import { ConfigError } from "./config-error.ts";
import { parseKeyRings, ringNames } from "./key-rings.ts";

/** Key rings from a file. Replicas share one; a key added to it is noticed when it is first needed. */
export class KeysFile implements KeySource {
  readonly #path: string;
  #keys: Keys;

  /** @throws ConfigError where the file cannot be read, or holds anything but complete rings */
  constructor(path: string) {
    this.#path = path;
    this.#keys = readKeys(path);
  }

  current(): Keys {
    return this.#keys;
  }

  async refresh(): Promise<Keys> {
    this.#keys = readKeys(this.#path);
    return this.#keys;
  }
}

/** The keys file of an installation without Vault: made at the first start, 0600, never overwritten. */
export function generatedKeysFile(dataDir: string): string {
  // Not `recursive`, which never ends where no directory can be made (under /proc).
  if (!existsSync(dataDir)) mkdirSync(dataDir, { mode: 0o700 });
  const path = join(dataDir, "keys.json");
  const rings = Object.values(ringNames).map((name) => {
    const key = randomBytes(32).toString("base64");
    return [name, { primary: `${name[0]}1`, keys: { [`${name[0]}1`]: key } }];
  });
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(Object.fromEntries(rings), null, 2)}\n`, { mode: 0o600 });
  try {
    // A link, unlike a rename, never replaces keys that another start has made meanwhile.
    linkSync(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(draft);
  }
  return path;
}

/** What a secret's file may not be: read by everybody, or written to by anybody but its owner. */
const unfitBits = 0o037;

/** Thousands of keys have less. */
const mostBytes = 1 << 20;

/** A mounted secret of Kubernetes is read by its group: 0440, root's, behind symbolic links. */
function readSecret(path: string): string {
  const file = openSync(path, "r");
  try {
    if ((fstatSync(file).mode & unfitBits) !== 0) {
      throw new ConfigError([
        `${path} is readable by everybody, or writable by others: chmod 600 ${path}, or 0440 with a group of the ` +
          "service's own (in Kubernetes, defaultMode: 0440 and the pod's fsGroup)",
      ]);
    }
    if (fstatSync(file).size > mostBytes) throw new ConfigError([`${path} has more than ${mostBytes} bytes`]);
    return readFileSync(file, "utf8");
  } finally {
    closeSync(file);
  }
}

function readKeys(path: string): Keys {
  let document: unknown;
  try {
    document = JSON.parse(readSecret(path));
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    // The parser's message would quote the file.
    throw new ConfigError([fileFault(path, error) ?? `${path} is not JSON`]);
  }
  const parsed = parseKeyRings(document);
  if ("faults" in parsed) throw new ConfigError(parsed.faults.map((fault) => `${path}: ${fault}`));
  return parsed.keys;
}
