import { defineConfig } from "vitest/config";
import { ClosingReporter } from "./closing-reporter.ts";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    globalSetup: "./test/support/global-setup.ts",
    // The closing one is last, and so is its line.
    reporters: ["default", new ClosingReporter()],
    pool: "forks",
    // Whole processes are waited for more than worked for: two cores keep four files busy.
    maxWorkers: 4,
    execArgv: ["--import", new URL("../src/postgres/register-driver-guard.ts", import.meta.url).pathname],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
