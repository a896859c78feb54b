/** The files of the embedded server: made once by initdb, with a generated password. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { serverEnvironment } from "./embedded-binaries.ts";
import { unavailable } from "./embedded-error.ts";
import type { Home } from "./embedded-home.ts";
import type { ServerUser } from "./embedded-user.ts";

/** The server's only role; it owns everything. */
export const role = "signature";

const initdbOptions = [
  `--username=${role}`,
  "--auth=scram-sha-256",
  "--encoding=UTF8",
  // PostgreSQL's own C.UTF-8 sorts alike on every system and after every update of its C library.
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8",
  "--locale=C",
  "--no-instructions",
];

function removeLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith("initdb-")) continue;
    try {
      rmSync(join(directory, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
    } catch {
      // An initdb whose parent was killed may still be writing there; the next start removes it.
    }
  }
}

function makeOwned(path: string, user: ServerUser): void {
  mkdirSync(path);
  chmodSync(path, 0o700);
  if (user) chownSync(path, user.uid >>> 0, user.gid >>> 0);
}

/** By its descriptor, since the directory is the other user's to rearrange. */
function writeOwned(path: string, text: string, user: ServerUser): void {
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, text);
    if (user) fchownSync(file, user.uid >>> 0, user.gid >>> 0);
  } finally {
    closeSync(file);
  }
}

/** Returns when the process is gone, aborted or not. */
async function runInitdb(
  path: string,
  args: string[],
  user: ServerUser,
  signal?: AbortSignal,
): Promise<void> {
  const running = promisify(execFile)(path, args, { ...user, cwd: "/", env: serverEnvironment });
  const interrupt = () => running.child.kill("SIGINT");
  signal?.addEventListener("abort", interrupt);
  await running.finally(() => signal?.removeEventListener("abort", interrupt));
}

async function createCluster({ directory, user }: Home, binaries: string, signal: AbortSignal | undefined) {
  // Never the name of an earlier attempt: its initdb may have outlived the process that started it.
  const staging = join(directory, `initdb-${randomBytes(6).toString("hex")}`);
  const [files, passwordFile] = [join(staging, "data"), join(staging, "password")];
  const password = randomBytes(24).toString("base64url");
  makeOwned(staging, user);
  try {
    writeOwned(passwordFile, password, user);
    const args = [...initdbOptions, `--pwfile=${passwordFile}`, `--pgdata=${files}`];
    await runInitdb(join(binaries, "bin/initdb"), args, user, signal);
    // Not the file that initdb read: the server's user has no business with the password.
    const kept = join(directory, "password");
    rmSync(kept, { force: true });
    writeFileSync(kept, password, { mode: 0o600, flag: "wx" });
    renameSync(files, join(directory, "data"));
  } catch (error) {
    signal?.throwIfAborted();
    const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    const account = /could not look up effective user/.test(stderr)
      ? "; the user needs an entry in /etc/passwd"
      : "";
    throw unavailable(`initdb failed in ${directory} (${stderr || (error as Error).message}${account})`);
  } finally {
    removeLeftovers(directory);
  }
}

/** The password of the server in `home`, whose files are made first where there are none. */
export async function openCluster(home: Home, binaries: string, signal?: AbortSignal): Promise<string> {
  removeLeftovers(home.directory);
  if (!existsSync(join(home.directory, "data"))) await createCluster(home, binaries, signal);
  try {
    return readFileSync(join(home.directory, "password"), "utf8");
  } catch (error) {
    throw unavailable(
      `the password of the database in ${home.directory} is not readable (${(error as Error).message})`,
    );
  }
}
