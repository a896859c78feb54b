import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path/posix";
import { parseAst } from "vitest/node";

/** A node of the ESTree that the parser hands out, TypeScript's nodes included. */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [property: string]: unknown;
}

export interface Import {
  /** A path from the root of the project for a file of ours, else the package: `node:fs`, `@grpc/grpc-js`. */
  readonly target: string;
  readonly ours: boolean;
  /** False for `import type` and `export type`, which are gone at run time. */
  readonly byValue: boolean;
  readonly line: number;
}

export interface SourceFile {
  /** From the root of the project, with slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Every node with the one it stands in, outer ones first. */
  readonly nodes: readonly { readonly node: SyntaxNode; readonly parent: SyntaxNode }[];
  lineOf(node: SyntaxNode): number;
}

/** The parsed sources of `src` and `test`, without what is generated. */
export function readSourceTree(root: string): SourceFile[] {
  const paths = globSync("{src,test}/**/*.{ts,mts,js,mjs}", { cwd: root })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => !/^src\/gen\/|^src\/sandbox\/inbox-page\/|^test\/fixtures\//.test(path));
  return paths.sort().map((path) => parse(path, readFileSync(join(root, path), "utf8")));
}

function parse(path: string, text: string): SourceFile {
  const program = parseAst(text, { lang: "ts" }) as unknown as SyntaxNode;
  const nodes: { node: SyntaxNode; parent: SyntaxNode }[] = [];
  const walk = (value: unknown, parent: SyntaxNode): void => {
    if (Array.isArray(value)) for (const item of value) walk(item, parent);
    if (!isNode(value)) return;
    nodes.push({ node: value, parent });
    for (const child of Object.values(value)) walk(child, value);
  };
  walk(program["body"], program);
  const lineOf = (node: SyntaxNode) => text.slice(0, node.start).split("\n").length;
  const imports = nodes.flatMap(({ node }) => importOf(node, path, lineOf(node)) ?? []);
  return { path, lines: text.trimEnd().split("\n").length, imports, nodes, lineOf };
}

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as SyntaxNode).type === "string";
}

const importing = new Set([
  "ImportDeclaration",
  "ExportNamedDeclaration",
  "ExportAllDeclaration",
  "ImportExpression",
  "TSImportType",
]);

function importOf(node: SyntaxNode, from: string, line: number): Import | undefined {
  if (!importing.has(node.type) || !isNode(node["source"])) return undefined;
  const specifier = node["source"]["value"];
  // import(expression) names no module that could be looked at.
  if (typeof specifier !== "string") return { target: "a computed path", ours: false, byValue: true, line };
  const kind = node["importKind"] ?? node["exportKind"];
  const byValue = node.type !== "TSImportType" && kind !== "type";
  const ours = specifier.startsWith(".");
  return { target: ours ? join(dirname(from), specifier) : packageOf(specifier), ours, byValue, line };
}

function packageOf(specifier: string): string {
  if (specifier.startsWith("node:")) return specifier;
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Names of the packages that run in production; tests and tools may use the others too. */
export function productionPackages(root: string): Set<string> {
  const path = join(root, "package.json");
  if (!existsSync(path)) return new Set();
  const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(path, "utf8"));
  return new Set(Object.keys({ ...dependencies, ...optionalDependencies }));
}
