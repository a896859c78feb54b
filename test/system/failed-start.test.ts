import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../support/live-installation.ts";
import { RouterProcess } from "../support/router-process.ts";

test("a start that finds its address taken says so, and leaves no database server behind", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  const cwd = temporaryDirectory();
  onTestFinished(() => {
    taken.close();
    rmSync(cwd, { recursive: true, force: true });
  });
  await once(taken, "listening");
  const address = taken.address();
  const port = typeof address === "object" ? address?.port : 0;
  const dataDir = join(cwd, "data");
  const env = { DATA_DIR: dataDir, HTTP_LISTEN: `127.0.0.1:${port}` };
  const router = await RouterProcess.spawn({ env, cwd });
  router.client.close();
  const { code } = await router.exited;
  expect(code).toBe(1);
  expect(router.stderr.join("\n")).toContain("an address is in use");
  // The server ran, and is gone: it removes its pid file when it stops.
  expect(existsSync(join(dataDir, "postgres/data/PG_VERSION"))).toBe(true);
  expect(existsSync(join(dataDir, "postgres/data/postmaster.pid"))).toBe(false);
});
