import { configDefaults, defineConfig } from "vitest/config";
import { ClosingReporter } from "./closing-reporter.ts";
import { longTests } from "./vitest.long.config.ts";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    exclude: [...configDefaults.exclude, ...longTests, "test/volume/**"],
    globalSetup: "./test/support/global-setup.ts",
    // The closing one is last, and so is its line.
    reporters: ["default", new ClosingReporter()],
    pool: "forks",
    // Files share what they import, in one process per worker: a second of start-up per file is most of its time.
    isolate: false,
    // Whole processes are waited for as much as worked for; more at once than this starve each other.
    maxWorkers: 3,
    execArgv: ["--import", new URL("../src/postgres/register-driver-guard.ts", import.meta.url).pathname],
    // The default of 1 s is too short on a loaded machine.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
