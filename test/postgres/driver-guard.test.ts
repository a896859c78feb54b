import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { guardedConnectionSource, guardedModule } from "../../src/postgres/driver-guard.ts";

const path = fileURLToPath(new URL("connection.js", import.meta.resolve("postgres")));
const source = readFileSync(path, "utf8");

test("the driver that is installed is the one that the guard was made for", () => {
  expect(path).toMatch(guardedModule);
  const guarded = guardedConnectionSource(source);
  expect(guarded).toContain("if (socket === null) {");
  // Each cancelled wait is forgotten too.
  expect(
    guarded.match(/clearImmediate\(nextWriteTimer\)\n {4,6}chunk = nextWriteTimer = null/g),
  ).toHaveLength(4);
});

test("a driver of another version is noticed", () => {
  expect(() => guardedConnectionSource("export default 1")).toThrow("was made for");
});
