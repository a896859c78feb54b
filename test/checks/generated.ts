import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { Run } from "./run.ts";

/** Where `src/gen` is not what the contract makes. */
export async function generatedCodeFaults(root: string, run: Run): Promise<string[]> {
  return inScratch(async (scratch) => {
    const template = ["--template", "proto/buf.gen.yaml"];
    const { succeeded, output } = await run("buf", ["generate", ...template, "--output", scratch]);
    if (!succeeded) return [output];
    return differences(join(root, "src/gen"), join(scratch, "src/gen")).map(
      (path) => `src/gen/${path} is not what the contract makes: npm run generate`,
    );
  });
}

/** Where `drizzle/` is not what the schema makes, and migrations with no way back. */
export async function migrationFaults(root: string, run: Run): Promise<string[]> {
  const folder = join(root, "drizzle");
  const noWayBack = globSync("*.sql", { cwd: folder })
    .filter((name) => !name.endsWith(".down.sql"))
    .map((name) => name.replace(/\.sql$/, ".down.sql"))
    .filter((name) => !existsSync(join(folder, name)))
    .map((name) => `drizzle/${name} is missing: the way back of its migration`);
  const unmade = await inScratch(async (scratch) => {
    const copy = join(scratch, "drizzle");
    cpSync(folder, copy, { recursive: true });
    const schema = ["--dialect", "postgresql", "--schema", "./src/postgres/schema/*.ts"];
    // drizzle-kit takes a path from here, never an absolute one.
    const { output } = await run("drizzle-kit", ["generate", ...schema, "--out", relative(root, copy)]);
    // It ends with 0 even where it fails, as it does without a terminal to ask whether a column was renamed.
    if (output.includes("No schema changes") && differences(folder, copy).length === 0) return [];
    return [`src/postgres/schema has changes that no migration makes: npm run generate\n${output}`];
  });
  return [...noWayBack, ...unmade];
}

async function inScratch<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "check-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Files that are in one folder only, or differ. */
function differences(one: string, other: string): string[] {
  const files = (folder: string) =>
    globSync("**", { cwd: folder, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  const content = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);
  return [...new Set([...files(one), ...files(other)])].filter(
    (path) => content(join(one, path)) !== content(join(other, path)),
  );
}
