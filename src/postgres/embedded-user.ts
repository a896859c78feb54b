/** Whom the server runs as: PostgreSQL refuses uid 0, so root starts it as an unprivileged user. */
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { unavailable } from "./embedded-error.ts";

/** Absent where the server simply runs as the user who starts it. */
export type ServerUser = { uid: number; gid: number } | undefined;

export const isRoot = (): boolean => process.getuid?.() === 0;

/** `nobody` of /etc/passwd; initdb insists on a user with an entry there. */
function nobody(): { uid: number; gid: number } {
  const entry = /^nobody:[^:]*:(-?\d+):(-?\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  // macOS has uid -2, and spawn takes a signed 32-bit number.
  if (entry) return { uid: Number(entry[1]) | 0, gid: Number(entry[2]) | 0 };
  throw unavailable("it must not run as root, and /etc/passwd has no user nobody to run it as");
}

/** The owner of the database files where they exist, so that root can start what an ordinary user made. */
export function serverUser(home: string): ServerUser {
  if (!isRoot()) return undefined;
  for (const path of [join(home, "data"), home]) {
    const owner = statSync(path, { throwIfNoEntry: false });
    if (owner && owner.uid !== 0) return { uid: owner.uid | 0, gid: owner.gid | 0 };
  }
  return nobody();
}

/** Whether the mode bits of a file grant the user these rights (4 read, 2 write, 1 execute or enter). */
export function grants(path: string, user: ServerUser, rights: number): boolean {
  if (!user) return true; // its own files; what it lacks shows when it is used
  const { uid, gid, mode } = statSync(path);
  const shift = (uid | 0) === user.uid ? 6 : (gid | 0) === user.gid ? 3 : 0;
  return ((mode >> shift) & rights) === rights;
}

/** The first directory on the way to `path`, itself included, that the user cannot enter. */
export function firstClosedDirectory(path: string, user: ServerUser): string | undefined {
  const real = realpathSync(path);
  const parent = dirname(real);
  const closed = parent === real ? undefined : firstClosedDirectory(parent, user);
  return closed ?? (grants(real, user, 1) ? undefined : real);
}
