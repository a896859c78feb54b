/**
 * Where the database lives: DATA_DIR/postgres, with the server's files in `data` beside `password`, `port`,
 * `server.log` and the owner's claim. When root starts it under a directory that the server's user cannot
 * enter (a checkout in /root), DATA_DIR/postgres is a symbolic link into a directory of root's that everyone
 * can pass through: /var/lib/signature-router, or /var/tmp/signature-router where that cannot be had. The
 * link belongs to DATA_DIR: whoever moves DATA_DIR keeps the database, whoever deletes it begins with an empty
 * one and may delete the old one too.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, realpathSync, rmdirSync, symlinkSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { errorCode, unavailable } from "./embedded-error.ts";
import { firstClosedDirectory, isRoot, type ServerUser, serverUser } from "./embedded-user.ts";

export const systemDirectories: readonly string[] = [
  "/var/lib/signature-router",
  "/var/tmp/signature-router",
];

export type Home = { directory: string; user: ServerUser };

/** A directory that others may pass through but neither list nor write; umask has no say. */
function makePassage(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o711);
}

/** Throws unless nobody but root can put something else in the place of `path` or of a directory above it. */
function requireRootsOwn(path: string): void {
  const { uid, mode } = lstatSync(path);
  const sticky = (mode & 0o1000) !== 0;
  if (uid !== 0 || ((mode & 0o022) !== 0 && !sticky)) throw new Error(`${path} is not only root's to change`);
  if (dirname(path) !== path) requireRootsOwn(dirname(path));
}

function openSystemDirectory(candidate: string, user: ServerUser): string {
  const path = join(realpathSync(dirname(candidate)), basename(candidate));
  try {
    makePassage(path);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
  const { mode } = lstatSync(path);
  // In a directory like /var/tmp anyone may have made it first, or a link in its place.
  if ((mode & 0o170000) !== 0o040000 || (mode & 0o022) !== 0) throw new Error(`${path} is not safe`);
  requireRootsOwn(path);
  const closed = firstClosedDirectory(path, user);
  if (closed) throw new Error(`${closed} is closed to uid ${user?.uid}`);
  return path;
}

/**
 * The directories that are root's alone and open to the server's user, each made if need be when it is asked
 * for. Why a candidate was passed over is added to `refused`.
 */
export function* usableSystemDirectories(
  candidates: readonly string[],
  user: ServerUser,
  refused: string[],
): Generator<string, void> {
  for (const candidate of candidates) {
    try {
      yield openSystemDirectory(candidate, user);
    } catch (error) {
      refused.push(`${candidate}: ${error instanceof Error ? error.message : "unknown error"}`);
    }
  }
}

function createHome(path: string, candidates: readonly string[]): void {
  if (!isRoot()) {
    mkdirSync(path, { mode: 0o700 });
    return;
  }
  const user = serverUser(path);
  const closed = firstClosedDirectory(dirname(path), user);
  if (!closed) {
    makePassage(path);
    return;
  }
  const refused: string[] = [];
  const [base] = usableSystemDirectories(candidates, user, refused);
  if (!base)
    throw unavailable(`uid ${user?.uid}, which it runs as for root, cannot enter ${closed}`, refused);
  const elsewhere = join(base, `data-${randomBytes(8).toString("hex")}`);
  makePassage(elsewhere);
  try {
    symlinkSync(elsewhere, path);
  } catch (error) {
    rmdirSync(elsewhere);
    throw error;
  }
}

/** True where it was not there. Node's own `recursive` never ends under /proc, where no directory can be made. */
function makeDirectories(path: string): boolean {
  if (existsSync(path)) return false;
  if (dirname(path) !== path) makeDirectories(dirname(path));
  mkdirSync(path, { mode: 0o700 });
  return true;
}

/** Finds or creates the database's directory; the same DATA_DIR always leads to the same one. */
export function openHome(dataDir: string, candidates: readonly string[]): Home {
  const path = join(resolve(dataDir), "postgres");
  try {
    // Passable for root's server user; what is kept in it is 0600.
    if (makeDirectories(dirname(path))) chmodSync(dirname(path), isRoot() ? 0o711 : 0o700);
    if (!lstatSync(path, { throwIfNoEntry: false })) createHome(path, candidates);
  } catch (error) {
    if (errorCode(error) !== "EEXIST") {
      if (errorCode(error)) throw unavailable(`DATA_DIR cannot be used (${(error as Error).message})`);
      throw error;
    }
  }
  let directory: string;
  try {
    directory = realpathSync(path);
  } catch {
    throw unavailable(`${path} leads nowhere; delete this link to begin with an empty database`);
  }
  const user = serverUser(directory);
  const closed = firstClosedDirectory(directory, user);
  if (closed) throw unavailable(`its files are in ${directory}, but uid ${user?.uid} cannot enter ${closed}`);
  return { directory, user };
}
