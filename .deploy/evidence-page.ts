import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { build } from "esbuild";

const root = resolve(import.meta.dirname, "..");
const sources = join(root, "src/evidence-page");

/** The check of a pack as one page, for a browser without a connection. Answers its size in bytes. */
export async function bundleEvidencePage(file: string): Promise<number> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [join(sources, "script.js")],
    bundle: true,
    alias: { "node:crypto": join(sources, "node-crypto.ts") },
    inject: [join(sources, "buffer.ts")],
    format: "esm",
    platform: "browser",
    // The first releases with Ed25519 in WebCrypto and light-dark() in styles.
    target: ["chrome137", "firefox129", "safari17.5"],
    charset: "utf8",
    legalComments: "none",
    write: false,
    logLevel: "warning",
  });
  const script = outputFiles[0]?.text ?? "";
  const style = readFileSync(join(sources, "style.css"), "utf8");
  const policy = [
    "default-src 'none'",
    `script-src ${sourceHash(script)}`,
    `style-src ${sourceHash(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const parts: Readonly<Record<string, string>> = { policy, style, script };
  const page = readFileSync(join(sources, "page.html"), "utf8").replace(
    /\/\*(policy|style|script)\*\//g,
    (_, name: string) => parts[name] ?? "",
  );
  writeFileSync(file, page);
  return Buffer.byteLength(page);
}

const sourceHash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
