import { defineConfig } from "vitest/config";
import { ClosingReporter } from "./closing-reporter.ts";

/**
 * Floods starve what runs beside them, costs are held against each other undisturbed, and deploys are rehearsed whole:
 * `npm run test:long`, beside `npm test`.
 */
export const longTests = [
  "test/postgres/stand-by.test.ts",
  "test/system/pooled-service.test.ts",
  "test/conformance/suites.test.ts",
  "test/domain/cost.test.ts",
  "test/deploy/buildah.test.ts",
  "test/deploy/image.test.ts",
  "test/grpc/text-cost.test.ts",
  "test/main/watch-writes.test.ts",
  "test/system/hostile-grpc.test.ts",
  "test/system/hostile-http.test.ts",
  "test/system/late-acceptance.test.ts",
  "test/system/npm-start.test.ts",
  "test/system/rolling-deploy.test.ts",
  "test/telemetry/injected-sdk.test.ts",
];

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: longTests,
    globalSetup: "./test/support/global-setup.ts",
    reporters: ["default", new ClosingReporter()],
    pool: "forks",
    maxWorkers: 1,
    execArgv: ["--import", new URL("../src/postgres/register-driver-guard.ts", import.meta.url).pathname],
    // The default of 1 s is too short on a loaded machine.
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
