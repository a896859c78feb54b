import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    globalSetup: "./test/support/global-setup.ts",
    reporters: ["default", "./test/closing-reporter.ts"],
    pool: "forks",
    execArgv: ["--import", new URL("../src/postgres/import-hook.mjs", import.meta.url).pathname],
    testTimeout: 20_000,
    hookTimeout: 30_000,
  },
});
