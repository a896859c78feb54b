import { defineConfig } from "vitest/config";
import { ClosingReporter } from "./closing-reporter.ts";

// Tables as large as years make them: `npm run test:volume`, some 10 minutes and 8 GB of disk.
export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/volume/*.test.ts"],
    globalSetup: "./test/support/global-setup.ts",
    reporters: ["default", new ClosingReporter()],
    pool: "forks",
    maxWorkers: 1,
    execArgv: ["--import", new URL("../src/postgres/register-driver-guard.ts", import.meta.url).pathname],
    // The default of 1 s is too short on a loaded machine.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 20 * 60_000,
    hookTimeout: 30 * 60_000,
  },
});
