import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { findBinaries } from "../../src/postgres/embedded-binaries.ts";
import { ServerLog } from "../../src/postgres/embedded-log.ts";
import { claimOwnership, liveOwner } from "../../src/postgres/embedded-owner.ts";

const base = mkdtempSync(join(tmpdir(), "embedded-files-test-"));
let counter = 0;

afterAll(() => rmSync(base, { recursive: true, force: true }));

const newPath = () => join(base, `dir-${++counter}`);

describe("findBinaries", () => {
  /** Enough of a tree to be taken for one. */
  function newTree(script: string): string {
    const tree = newPath();
    for (const folder of ["bin", "lib", "share/postgresql"])
      mkdirSync(join(tree, folder), { recursive: true });
    for (const file of ["bin/postgres", "bin/initdb", "share/postgresql/postgres.bki", "lib/libpq.so.5.1"]) {
      writeFileSync(join(tree, file), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    return tree;
  }

  it("uses a copy with the links that npm did not make, and replaces it once it is damaged", async () => {
    const [source, base] = [newTree("exit 0"), newPath()];
    mkdirSync(base);
    const links = [{ source: "native/lib/libpq.so.5.1", target: "native/lib/libpq.so.5" }];
    writeFileSync(join(source, "pg-symlinks.json"), JSON.stringify(links));
    const copy = await findBinaries({ source, user: undefined, copyTo: () => [base] });
    expect(dirname(copy)).toBe(base);
    expect(readlinkSync(join(copy, "lib/libpq.so.5"))).toBe("libpq.so.5.1");
    const { ino } = statSync(copy);
    expect(await findBinaries({ source, user: undefined, copyTo: () => [base] })).toBe(copy);
    expect(statSync(copy).ino).toBe(ino);
    truncateSync(join(copy, "bin/initdb"), 1);
    await findBinaries({ source, user: undefined, copyTo: () => [base] });
    expect(statSync(join(copy, "bin/initdb")).size).toBe(statSync(join(source, "bin/initdb")).size);
    chmodSync(join(copy, "lib"), 0o777);
    await findBinaries({ source, user: undefined, copyTo: () => [base] });
    expect(statSync(join(copy, "lib")).mode & 0o777).toBe(0o755);
    expect(readdirSync(base)).toHaveLength(1);
  });

  it("says what was tried when they do not run", async () => {
    const source = newTree("echo 'version GLIBC_2.99 not found' >&2; exit 1");
    const base = newPath();
    mkdirSync(base);
    await expect(findBinaries({ source, user: undefined, copyTo: () => [base] })).rejects.toMatchObject({
      reason: "unavailable",
      message: expect.stringMatching(
        /Tried:\n {2}- .*GLIBC_2.99 not found\n {2}- a copy in .*GLIBC_2.99[\s\S]*Set DATABASE_URL/,
      ),
    });
  });
});

describe("claimOwnership", () => {
  it("overtakes the claim of a process that is gone, even when its pid lives again", () => {
    const directory = newPath();
    mkdirSync(directory);
    symlinkSync(`${process.ppid} 2026-01-01T00:00:00.000Z an-earlier-boot:1`, join(directory, "owner.4"));
    const release = claimOwnership(directory);
    expect(readdirSync(directory)).toEqual(["owner.5"]);
    expect(liveOwner(directory)?.pid).toBe(process.pid);
    expect(() => claimOwnership(directory)).toThrow("in use by this very process");
    release();
    expect(readdirSync(directory)).toEqual([]);
  });

  it("does not give up a claim twice, which may be somebody else's by then", () => {
    const directory = newPath();
    mkdirSync(directory);
    const first = claimOwnership(directory);
    first();
    claimOwnership(directory);
    first();
    expect(liveOwner(directory)?.pid).toBe(process.pid);
  });
});

describe("ServerLog", () => {
  it("cuts a log that has grown too long and keeps one older file", () => {
    const path = newPath();
    appendFileSync(path, Buffer.alloc(5 * 1024 * 1024));
    new ServerLog(path).close();
    expect(statSync(path).size).toBe(0);
    expect(statSync(`${path}.1`).size).toBe(5 * 1024 * 1024);
  });
});
