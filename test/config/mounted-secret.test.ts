import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CertificateAuthority } from "../support/certificates.ts";

const source = (path: string) => JSON.stringify(new URL(`../../src/${path}`, import.meta.url).href);

/** Reads both kinds of files as the service does, says what it reads, and reads again at each line on stdin. */
const reader = `
  const { KeysFile } = await import(${source("config/keys-file.ts")});
  const { tlsFiles } = await import(${source("grpc/tls-files.ts")});
  const { createInterface } = await import("node:readline");
  const { createHash } = await import("node:crypto");
  const say = (what, value) => console.log(JSON.stringify([what, value]));
  const at = (name) => process.argv.at(-1) + "/" + name;
  try {
    const keys = new KeysFile(at("keys.json"));
    const tell = ({ cert, key }) => say("tls", createHash("sha256").update(cert + key).digest("hex"));
    const files = { certFile: at("tls.crt"), keyFile: at("tls.key"), clientCaFile: at("ca.crt") };
    const tls = tlsFiles({ ...files, intervalMs: 20, onChange: tell, onFault: () => {} });
    tell(tls.first);
    say("keys", keys.current().evidence.primary);
    createInterface(process.stdin)
      .on("line", async () => say("keys", (await keys.refresh()).evidence.primary))
      .on("close", () => process.exit(0));
  } catch (error) {
    say("fault", error.message);
  }`;

const names = ["code-pepper", "phone-seal", "pseudonym", "evidence", "receipt"];
const keysOf = (primary: string) =>
  JSON.stringify(
    Object.fromEntries(names.map((name) => [name, { primary, keys: { [primary]: `${"A".repeat(43)}=` } }])),
  );

/** A volume as the kubelet makes it: files in a dated folder, `..data` leads to it, and each name through `..data`. */
class MountedSecret implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "signature-router-secret-"));
  readonly #authority = new CertificateAuthority();
  readonly #mode: number;
  readonly #group: number;
  #versions = 0;

  constructor({ mode, group }: { mode: number; group: number }) {
    this.#mode = mode;
    this.#group = group;
    chmodSync(this.folder, 0o755);
    this.put("k1");
    for (const name of ["keys.json", "tls.crt", "tls.key", "ca.crt"]) {
      symlinkSync(`..data/${name}`, join(this.folder, name));
    }
  }

  /** A new version, swapped in one rename. */
  put(primary: string): void {
    this.#versions += 1;
    const version = `..2026_11_28_${this.#versions}`;
    mkdirSync(join(this.folder, version), { mode: 0o755 });
    const { cert, key } = this.#authority.issue(`router-${this.#versions}`, "DNS:router");
    const files = {
      "keys.json": keysOf(primary),
      "tls.crt": cert,
      "tls.key": key,
      "ca.crt": this.#authority.cert,
    };
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.folder, version, name);
      writeFileSync(path, text);
      chownSync(path, 0, this.#group);
      chmodSync(path, this.#mode);
    }
    symlinkSync(version, join(this.folder, "..data_tmp"));
    renameSync(join(this.folder, "..data_tmp"), join(this.folder, "..data"));
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
    this.#authority[Symbol.dispose]();
  }
}

// A pod's user, and the group that fsGroup gives it.
const [user, fsGroup] = [65_532, 4_711];

describe.skipIf(process.getuid?.() !== 0)(
  "a secret that Kubernetes mounts, root's and read by the group",
  () => {
    let child: ChildProcess | undefined;
    let lines: Interface;
    let said: [string, string][];

    beforeEach(() => {
      said = [];
    });

    afterEach(() => void child?.kill());

    function read(folder: string, gid: number): void {
      const args = ["--input-type=module", "-e", reader, folder];
      child = spawn(process.execPath, args, { uid: user, gid, cwd: "/", stdio: ["pipe", "pipe", "inherit"] });
      lines = createInterface(child.stdout as Readable);
      lines.on("line", (line) => said.push(JSON.parse(line)));
    }

    async function heard(what: string, times = 1): Promise<string[]> {
      const values = () => said.filter(([kind]) => kind === what).map(([, value]) => value);
      while (values().length < times) await once(lines, "line");
      return values();
    }

    test("is read, and read again when ..data leads to another version", async () => {
      using secret = new MountedSecret({ mode: 0o440, group: fsGroup });
      read(secret.folder, fsGroup);
      expect(await heard("keys")).toEqual(["k1"]);
      await heard("tls");
      secret.put("k2");
      const hashes = await heard("tls", 2);
      expect(new Set(hashes).size).toBe(2);
      child?.stdin?.write("\n");
      expect(await heard("keys", 2)).toEqual(["k1", "k2"]);
    });

    test.each([0o444, 0o644, 0o460, 0o442])("is refused with mode %o, with the cure", async (mode) => {
      using secret = new MountedSecret({ mode, group: fsGroup });
      read(secret.folder, fsGroup);
      const [fault] = await heard("fault");
      expect(fault).toContain("keys.json is readable by everybody, or writable by others");
      expect(fault).toContain("fsGroup");
    });

    test("of another group is a fault with the cure and no bare code", async () => {
      using secret = new MountedSecret({ mode: 0o440, group: fsGroup });
      read(secret.folder, 4_712);
      const [fault] = await heard("fault");
      expect(fault).toContain("keys.json may not be read by this user: mode 0440 and its group");
      expect(fault).not.toContain("EACCES");
    });
  },
);
