import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { build, type Metafile, type Plugin } from "esbuild";
import { guardedModules, guardedSource } from "../src/postgres/driver-guard.ts";
import { bundleEvidencePage } from "./evidence-page.ts";

// `node .deploy/bundle.ts [folder] [source maps]`, by default dist and dist/source-maps: the service and its
// commands as plain JavaScript that needs Node and nothing else. A module per command; what they share and what is
// loaded only on demand (Vault's client, OpenTelemetry's exporters, the sandbox) are modules of their own.

const root = resolve(import.meta.dirname, "..");
const commands = ["main", "migrate", "evidence", "admin"];

// Bundled CommonJS asks for Node's own modules by require, which ES modules lack; the name cannot clash.
const requireBanner = `import { createRequire as __cr } from "node:module"; const require = __cr(import.meta.url);`;

/** What the sources get by a preload (src/postgres/register-driver-guard.ts). */
const driverGuard: Plugin = {
  name: "driver-guard",
  setup(build) {
    build.onLoad({ filter: guardedModules }, ({ path }) => ({
      contents: guardedSource(path, readFileSync(path, "utf8")),
      loader: "js",
    }));
  },
};

/** Writes the bundle, and answers its modules with their sizes in bytes. */
export async function bundle(folder: string, sourceMaps: string): Promise<Map<string, number>> {
  for (const path of [folder, sourceMaps]) rmSync(path, { recursive: true, force: true });
  for (const path of [folder, sourceMaps]) mkdirSync(path, { recursive: true });
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: commands.map((name) => `src/${name}.ts`).filter((path) => existsSync(join(root, path))),
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    plugins: [driverGuard],
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    banner: { js: requireBanner },
    // Not minified: a megabyte less would start no sooner, and stack traces stay readable as they are.
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
  });
  const sizes = new Map<string, number>();
  for (const { path, contents } of outputFiles) {
    const isMap = path.endsWith(".map");
    writeFileSync(join(isMap ? sourceMaps : folder, basename(path)), contents);
    if (!isMap) sizes.set(basename(path), contents.length);
  }
  // The modules look for both beside themselves.
  cpSync(join(root, "drizzle"), join(folder, "drizzle"), { recursive: true });
  cpSync(join(root, "src/sandbox/inbox-page"), join(folder, "inbox-page"), { recursive: true });
  cpSync(join(root, "LICENSE"), join(folder, "LICENSE"));
  writeFileSync(join(folder, "start.sh"), startScript());
  writeFileSync(join(folder, "THIRD-PARTY-NOTICES.txt"), notices(metafile));
  return sizes;
}

/** Starts the service outside of the image, under the image's flags. */
function startScript(): string {
  const dockerfile = readFileSync(join(root, ".deploy/Dockerfile"), "utf8");
  const [, entrypoint] = /^ENTRYPOINT (\[.+\])$/m.exec(dockerfile) ?? [];
  if (entrypoint === undefined) throw new Error(".deploy/Dockerfile has no ENTRYPOINT");
  return `ulimit -c 0\nexec ${(JSON.parse(entrypoint) as string[]).join(" ")} "$(dirname "$0")/main.mjs" "$@"\n`;
}

/** Name, version, licence and licence text of every package of which something is in the bundle. */
function notices({ inputs }: Metafile): string {
  const packages = new Set(
    Object.keys(inputs).flatMap((path) => path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []),
  );
  const texts = [...packages].sort().map((path) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8"));
    const found = readdirSync(join(root, path), { withFileTypes: true })
      .filter((entry) => entry.isFile() && /^(licen[cs]e|notice)/i.test(entry.name))
      .map((file) => readFileSync(join(root, path, file.name), "utf8").trim());
    return [`${name} ${version} (${license})`, ...found].join("\n\n");
  });
  return `${texts.join(`\n\n${"-".repeat(78)}\n\n`)}\n`;
}

/** The check of a pack as one module that needs Node and nothing beside it. Answers its size in bytes. */
export async function bundleVerifier(file: string): Promise<number> {
  await build({
    absWorkingDir: root,
    entryPoints: ["src/verify.ts"],
    outfile: file,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    legalComments: "none",
    logLevel: "warning",
  });
  return statSync(file).size;
}

if (import.meta.main) {
  const [folder = "dist", sourceMaps = join(folder, "source-maps")] = process.argv.slice(2);
  const sizes = await bundle(resolve(folder), resolve(sourceMaps));
  sizes.set("verify.mjs", await bundleVerifier(join(resolve(folder), "verify.mjs")));
  sizes.set("verify.html", await bundleEvidencePage(join(resolve(folder), "verify.html")));
  for (const [name, bytes] of sizes) console.log(`${(bytes / 1024).toFixed(0).padStart(6)} KiB  ${name}`);
}
