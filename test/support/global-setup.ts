import { chmodSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import type { TestProject } from "vitest/node";
import { bundle } from "../../.deploy/bundle.ts";
import { startEmbeddedPostgres } from "../../src/postgres/embedded.ts";
import { liveOwner } from "../../src/postgres/embedded-owner.ts";
import { stopOrphan } from "../../src/postgres/embedded-postmaster.ts";
import { migrate } from "../../src/postgres/migrate.ts";
import { bundleVariable } from "./program.ts";

const prefix = "signature-router-test-";
const template = "signature_template";
const folder = new URL("../../drizzle", import.meta.url).pathname;

function removeData(dataDir: string, home: string): void {
  rmSync(home, { recursive: true, force: true });
  rmSync(dataDir, { recursive: true, force: true });
}

/** Servers and files of test runs that were killed before they could clean up. */
async function removeLeftovers(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    try {
      const home = realpathSync(join(tmpdir(), name, "postgres"));
      // A run that has just begun may not have claimed its directory yet.
      if (liveOwner(home) || Date.now() - statSync(home).mtimeMs < 60_000) continue;
      await stopOrphan(join(home, "data"), () => {});
      removeData(join(tmpdir(), name), home);
    } catch {
      // Another run cleans up too, or the files are another user's.
    }
  }
}

/** The service as it is shipped, for the tests that start it; below node_modules, where the embedded server is. */
async function bundleService(): Promise<string> {
  const cache = new URL("../../node_modules/.cache", import.meta.url).pathname;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, prefix));
  await bundle(folder, join(folder, "source-maps"));
  return folder;
}

/** One server for the whole run, with a migrated database that useDatabase copies. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers();
  const dataDir = mkdtempSync(join(tmpdir(), prefix));
  chmodSync(dataDir, 0o711); // or root's server would have to keep its files elsewhere
  const server = await startEmbeddedPostgres({ dataDir });
  const home = realpathSync(join(dataDir, "postgres"));
  const bundled = await bundleService();
  process.env[bundleVariable] = bundled;
  const teardown = async () => {
    rmSync(bundled, { recursive: true, force: true });
    await server.stop();
    removeData(dataDir, home);
  };
  try {
    const admin = postgres(server.url, { max: 1, onnotice: () => {} });
    await admin`create database ${admin(template)}`;
    await admin.end();
    const url = new URL(server.url);
    url.pathname = `/${template}`;
    const sql = postgres(url.href, { max: 1, onnotice: () => {} });
    await migrate(sql, { folder }).finally(() => sql.end());
    project.provide("database", { url: server.url, template });
    return teardown;
  } catch (error) {
    await teardown();
    throw error;
  }
}
