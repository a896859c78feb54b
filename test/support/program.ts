const root = new URL("../..", import.meta.url).pathname;

/** Where a test run keeps the bundle of the service; without one, programs run from their sources. */
export const bundleVariable = "ROUTER_TEST_BUNDLE";

/**
 * Node's arguments for a program as it runs in production: bundled, it starts in a third of the time.
 * @param preloads modules that are loaded before it; they and the program share node_modules, which no bundle does
 */
export function program(
  name: "main" | "admin" | "migrate" | "evidence",
  preloads: readonly string[] = [],
): string[] {
  const bundle = process.env[bundleVariable];
  if (bundle !== undefined && preloads.length === 0) return [`${bundle}/${name}.mjs`];
  const all = [`${root}src/postgres/register-driver-guard.ts`, ...preloads];
  return [...all.flatMap((path) => ["--import", path]), `${root}src/${name}.ts`];
}
