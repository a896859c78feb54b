/**
 * One owner per database. A claim is a symbolic link `owner.<n>` whose target names the process: it appears
 * whole or not at all, and needs no lock that outlives a killed process. A dead process's claim is
 * overtaken by the next number, which only one contender can create. Whoever has claimed looks once more at
 * all claims and withdraws when another one lives, so two never both hold, however their steps interleave.
 */
import { readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { EmbeddedPostgresError, errorCode } from "./embedded-error.ts";
import { processIdentity } from "./process-identity.ts";

export type Owner = { pid: number; since: string };
type Claim = { number: number; owner: Owner | undefined };

function parseLiveOwner(target: string): Owner | undefined {
  const [pid, since, ...identity] = target.split(" ");
  if (!pid || !since || processIdentity(Number(pid)) !== identity.join(" ")) return undefined;
  return { pid: Number(pid), since };
}

function readClaim(directory: string, number: number): Claim {
  try {
    return { number, owner: parseLiveOwner(readlinkSync(join(directory, `owner.${number}`))) };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { number, owner: undefined };
    throw error;
  }
}

function readClaims(directory: string): Claim[] {
  const numbers = readdirSync(directory).flatMap((name) => /^owner\.(\d+)$/.exec(name)?.[1] ?? []);
  return numbers.map((number) => readClaim(directory, Number(number)));
}

/** The live process that owns the database in this directory, if there is one. */
export function liveOwner(directory: string): Owner | undefined {
  return readClaims(directory).find((claim) => claim.owner)?.owner;
}

function held(directory: string, { pid, since }: Owner): EmbeddedPostgresError {
  const who = pid === process.pid ? "this very process" : `process ${pid}`;
  return new EmbeddedPostgresError(
    "held",
    `The database in ${directory} is in use by ${who} since ${since}. ` +
      "Stop that process, or give this one another DATA_DIR or a DATABASE_URL.",
  );
}

/**
 * Makes this process the owner of the database in `directory` and returns the function that gives it up.
 * Throws EmbeddedPostgresError `held` when a live process owns it.
 */
export function claimOwnership(directory: string): () => void {
  const target = `${process.pid} ${new Date().toISOString()} ${processIdentity(process.pid)}`;
  for (;;) {
    const before = readClaims(directory);
    const holder = before.find((claim) => claim.owner)?.owner;
    if (holder) throw held(directory, holder);
    const number = Math.max(0, ...before.map((claim) => claim.number)) + 1;
    const path = join(directory, `owner.${number}`);
    try {
      symlinkSync(target, path);
    } catch (error) {
      if (errorCode(error) === "EEXIST") continue;
      throw error;
    }
    let released = false;
    const release = () => {
      // Only once: the number may be another process's by then.
      if (!released) rmSync(path, { force: true });
      released = true;
    };
    const others = readClaims(directory).filter((claim) => claim.number !== number);
    const rival = others.find((claim) => claim.owner)?.owner;
    if (rival) {
      release();
      throw held(directory, rival);
    }
    for (const stale of others) rmSync(join(directory, `owner.${stale.number}`), { force: true });
    return release;
  }
}
