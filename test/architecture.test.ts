import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { architectureFaults } from "./checks/architecture.ts";

const root = new URL("..", import.meta.url).pathname;

/** Faults of a project that has these files and nothing else. */
function faultsOf(files: Readonly<Record<string, string>>): string[] {
  const folder = mkdtempSync(join(tmpdir(), "architecture-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return architectureFaults(folder);
}

describe("the architecture", () => {
  it("holds in src and test", () => {
    expect(architectureFaults(root)).toEqual([]);
  });

  it.each([
    ["usecases know domain", "src/usecases/a.ts", `import type { B } from "../domain/b.ts";`],
    ["grpc knows gen", "src/grpc/a.ts", `export { B } from "../gen/bank/b_pb.ts";`],
    ["main knows all", "src/main/a.ts", `await import("../sandbox/b.ts");`],
    ["main knows its version", "src/main.ts", `import { version } from "../package.json";`],
    ["a layer knows itself", "src/twilio/a.ts", `import { b } from "./b.ts";`],
    ["the configuration is read in one place", "src/config.ts", `export const home = process.env["HOME"];`],
    ["main hands the environment on", "src/main.ts", `read(process.env); delete process.env[name];`],
    ["a given time is no clock", "src/domain/a.ts", `export const at = new Date(0);`],
    [
      "an injected clock is no clock of its own",
      "src/usecases/a.ts",
      `clock.setTimeout(random.randomBytes(1));`,
    ],
    [
      "text is only text",
      "src/domain/a.ts",
      `// Date.now()\nexport const a = "import('../grpc/b.ts') Math.random()";`,
    ],
    ["IBAN has an I of its own", "src/domain/a.ts", `export interface IBAN {}`],
  ])("allows that %s", (_, path, text) => {
    expect(faultsOf({ [path]: text })).toEqual([]);
  });

  it.each([
    ["domain → usecases", "src/domain/a.ts", `import type { B } from "../usecases/b.ts";`],
    ["usecases → postgres", "src/usecases/a.ts", `import { b } from "../postgres/b.ts";`],
    ["resilience → usecases", "src/resilience/a.ts", `export { b } from "../usecases/b.ts";`],
    ["grpc → postgres, lazily", "src/grpc/a.ts", `const b = await import("../postgres/b.ts");`],
    ["postgres → twilio, for a type", "src/postgres/a.ts", `export type B = import("../twilio/b.ts").B;`],
    ["twilio → main", "src/twilio/a.ts", `import "../main/b.ts";`],
    ["vault → domain", "src/vault/a.ts", `import { b } from "../domain/b.ts";`],
    ["sandbox → twilio", "src/sandbox/a.ts", `import { b } from "../twilio/b.ts";`],
    ["evidence-page → usecases", "src/evidence-page/a.ts", `import { b } from "../usecases/b.ts";`],
    ["evidence-page → Node", "src/evidence-page/a.ts", `import { join } from "node:path";`],
    ["evidence-page → a connection", "src/evidence-page/a.ts", `await globalThis.fetch("/");`],
    ["config → grpc", "src/config/a.ts", `import { b } from "../grpc/b.ts";`],
    ["main → try", "src/config.ts", `import { b } from "./try.ts";`],
    ["src → test", "src/main.ts", `import { b } from "../test/b.ts";`],
    ["a folder of no layer", "src/services/a.ts", ``],
    ["a file of no layer", "src/server.ts", ``],
    ["a package that production lacks", "src/grpc/a.ts", `import { b } from "@grpc/grpc-js";`],
    ["a package in domain", "src/domain/a.ts", `import { readFileSync } from "node:fs";`],
    ["Date.now in domain", "src/domain/a.ts", `export const now = () => Date.now();`],
    ["new Date() in usecases", "src/usecases/a.ts", `export const now = () => new Date();`],
    ["performance.now in usecases", "src/usecases/a.ts", `export const now = performance.now();`],
    ["Math.random in domain", "src/domain/a.ts", `export const { random } = { random: Math.random };`],
    ["setTimeout in usecases", "src/usecases/a.ts", `setTimeout(() => {}, 1);`],
    ["setInterval in usecases", "src/usecases/a.ts", `const every = { setInterval };`],
    ["randomUUID in domain", "src/domain/a.ts", `import { randomUUID as id } from "node:crypto";`],
    ["randomBytes in domain", "src/domain/a.ts", `import { randomBytes } from "node:crypto";`],
    ["the console in usecases", "src/usecases/a.ts", `console.log("here");`],
    ["process.env in grpc", "src/grpc/a.ts", `export const home = process.env["HOME"];`],
    ["a variable read in main", "src/main.ts", `export const home = process.env["HOME"] ?? process.env.PWD;`],
    ["a folder named utils", "src/domain/utils/a.ts", ``],
    ["a file named helpers", "test/support/helpers.ts", ``],
    ["an index", "src/domain/index.ts", ``],
    ["a name in camelCase", "src/domain/oneTimeCode.ts", ``],
    ["export *", "src/domain/a.ts", `export * from "./b.ts";`],
    ["a default export", "src/domain/a.ts", `export default 1;`],
    ["an I before an interface", "src/domain/a.ts", `export interface IStore {}`],
    ["301 lines", "test/a.test.ts", "void 0;\n".repeat(301)],
  ])("finds %s", (_, path, text) => {
    expect(faultsOf({ [path]: text })).toContainEqual(expect.stringMatching(new RegExp(`^${path}`)));
  });

  it("finds files that import one another by value, and lets types go round", () => {
    const ring = {
      "src/domain/a.ts": `import { b } from "./b.ts";`,
      "src/domain/b.ts": `import { c } from "./c.ts";`,
    };
    expect(faultsOf({ ...ring, "src/domain/c.ts": `import { a } from "./a.ts";` })).toEqual([
      "src/domain/a.ts imports itself: src/domain/a.ts → src/domain/b.ts → src/domain/c.ts → src/domain/a.ts",
    ]);
    expect(faultsOf({ ...ring, "src/domain/c.ts": `import type { A } from "./a.ts";` })).toEqual([]);
  });
});
