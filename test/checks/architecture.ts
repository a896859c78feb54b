import { basename } from "node:path/posix";
import { importCycles } from "./import-cycles.ts";
import {
  isNode,
  productionPackages,
  readSourceTree,
  type SourceFile,
  type SyntaxNode,
} from "./source-tree.ts";

const longestFile = 300;

/** What each layer may import of ours, beside itself. Every folder and file of src belongs to one. */
const layers: Readonly<Record<string, readonly string[] | "everything">> = {
  domain: [],
  usecases: ["domain"],
  resilience: ["domain"],
  grpc: ["usecases", "domain", "gen"],
  postgres: ["domain"],
  twilio: ["domain"],
  telemetry: ["domain"],
  sinks: ["domain"],
  vault: [],
  sandbox: [],
  "evidence-page": ["domain"],
  gen: [],
  // It judges the database's address as those who connect to it.
  config: ["domain", "postgres"],
  main: "everything",
  // A client, as foreign to the service as the bank's own.
  try: ["gen"],
};

const layerOfFile: Readonly<Record<string, string>> = {
  "src/config.ts": "config",
  "src/main.ts": "main",
  "src/admin.ts": "main",
  "src/evidence.ts": "main",
  "src/verify.ts": "main",
  "src/migrate.ts": "main",
  "src/try.ts": "try",
};

/** The layers that take time and chance from outside, and the packages they may use all the same. */
const pure: Readonly<Record<string, readonly string[]>> = {
  domain: ["node:crypto", "canonicalize", "cldr-core", "currency-codes", "jose", "libphonenumber-js"],
  usecases: [],
};

const ambient = new Set([
  ...["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "console", "process", "fetch"],
  ...["randomUUID", "randomBytes", "randomInt", "randomFillSync", "getRandomValues", "webcrypto"],
  ...["Date.now", "performance.now", "Math.random", "AbortSignal.timeout", "crypto.randomUUID"],
]);

/** What the page that checks packs must not even name: it runs in a browser and sends nothing. */
const connections = new Set([
  ...["fetch", "XMLHttpRequest", "WebSocket", "WebTransport", "EventSource", "RTCPeerConnection", "Worker"],
  ...["sendBeacon", "localStorage", "sessionStorage", "indexedDB", "caches", "cookie", "eval", "Function"],
  ...["innerHTML", "outerHTML", "insertAdjacentHTML"],
]);

/** Tools load these by their default export. */
const loadedByTools = new Set([
  "test/vitest.config.ts",
  "test/vitest.long.config.ts",
  "test/vitest.volume.config.ts",
  "test/support/global-setup.ts",
]);

/** Faults against the rules of layers and modules in `src` and `test`, each as `file:line what`. */
export function architectureFaults(root: string): string[] {
  const files = readSourceTree(root);
  const production = productionPackages(root);
  return [
    ...files.flatMap((file) => [
      ...importFaults(file, production),
      ...purityFaults(file),
      ...pageFaults(file),
      ...environmentFaults(file),
      ...moduleFaults(file),
      ...nameFaults(file),
    ]),
    ...importCycles(files).map((cycle) => `${cycle[0]} imports itself: ${cycle.join(" → ")}`),
  ];
}

function layerOf(path: string): string | undefined {
  const [top, folder, inside] = path.split("/");
  if (top !== "src") return undefined;
  return inside === undefined ? layerOfFile[path] : folder;
}

function importFaults({ path, imports }: SourceFile, production: ReadonlySet<string>): string[] {
  if (!path.startsWith("src/")) return [];
  const layer = layerOf(path) ?? "";
  const allowed = layers[layer];
  if (allowed === undefined) return [`${path} belongs to no layer`];
  return imports.flatMap(({ target, ours, line }) => {
    const at = `${path}:${line}`;
    if (!ours) {
      if (target.startsWith("node:") || production.has(target) || layer === "try") return [];
      return [`${at} imports ${target}, which is not among the dependencies`];
    }
    const other = layerOf(target);
    if (other === layer || (other !== undefined && allowed === "everything")) return [];
    if (other !== undefined && allowed.includes(other)) return [];
    if (target === "package.json" && allowed === "everything") return [];
    return [`${at} imports ${target}, which ${layer} must not know`];
  });
}

function purityFaults({ path, imports, nodes, lineOf }: SourceFile): string[] {
  const packages = pure[layerOf(path) ?? ""];
  if (packages === undefined) return [];
  const foreign = imports
    .filter(({ target, ours }) => !ours && !packages.includes(target))
    .map(({ target, line }) => `${path}:${line} imports ${target}, which a pure layer must not use`);
  const impure = nodes.flatMap(({ node, parent }) => {
    const name = ambientName(node, parent);
    return name === undefined ? [] : [`${path}:${lineOf(node)} uses ${name}, which has to be injected`];
  });
  return [...foreign, ...impure];
}

function pageFaults({ path, imports, nodes, lineOf }: SourceFile): string[] {
  if (layerOf(path) !== "evidence-page") return [];
  const foreign = imports
    .filter(({ ours }) => !ours)
    .map(({ target, line }) => `${path}:${line} imports ${target}, which no browser has`);
  const named = nodes.flatMap(({ node }) => {
    const name = nameOf(node);
    return name !== undefined && connections.has(name)
      ? [`${path}:${lineOf(node)} uses ${name}, and the page sends and keeps nothing`]
      : [];
  });
  return [...foreign, ...named];
}

/** The name under which a node reaches for time, chance or the world. */
function ambientName(node: SyntaxNode, parent: SyntaxNode): string | undefined {
  if (node.type === "NewExpression" && nameOf(node["callee"]) === "Date")
    return (node["arguments"] as unknown[]).length === 0 ? "new Date()" : undefined;
  if (node.type === "CallExpression" && nameOf(node["callee"]) === "Date") return "Date()";
  if (node.type === "MemberExpression") {
    const name = `${nameOf(node["object"])}.${nameOf(node["property"])}`;
    return ambient.has(name) ? name : undefined;
  }
  const name = nameOf(node);
  return name !== undefined && ambient.has(name) && !isMemberName(node, parent) ? name : undefined;
}

/** True for `name` in `a.name`, `{ name: 1 }` and `{ name(): void }`: somebody's member, not the global. */
function isMemberName(node: SyntaxNode, parent: SyntaxNode): boolean {
  if (parent["computed"] === true || parent["shorthand"] === true) return false;
  return parent["property"] === node || parent["key"] === node;
}

function nameOf(node: unknown): string | undefined {
  return isNode(node) && node.type === "Identifier" ? String(node["name"]) : undefined;
}

function environmentFaults({ path, nodes, lineOf }: SourceFile): string[] {
  const layer = layerOf(path);
  if (layer === undefined || path === "src/config.ts") return [];
  return nodes.flatMap(({ node, parent }) => {
    if (node.type !== "MemberExpression" || nameOf(node["property"]) !== "env") return [];
    if (nameOf(node["object"]) !== "process") return [];
    const passedOn = parent["object"] !== node || isNode(parent["property"]) === false;
    const erased = nameOf(parent["property"]) !== undefined && parent["computed"] === true;
    if (layerOfFile[path] === "main" && (passedOn || erased)) return [];
    return [`${path}:${lineOf(node)} reads process.env, which is for src/config.ts`];
  });
}

function moduleFaults({ path, nodes, lines, lineOf }: SourceFile): string[] {
  const faults = nodes.flatMap(({ node }) => {
    const at = `${path}:${lineOf(node)}`;
    if (node.type === "ExportAllDeclaration") return [`${at} exports everything of another file`];
    if (node.type === "ExportDefaultDeclaration" && !loadedByTools.has(path))
      return [`${at} exports a default`];
    const named =
      /^TS(Interface|TypeAlias)Declaration$|^ClassDeclaration$/.test(node.type) && nameOf(node["id"]);
    return named && /^I[A-Z][a-z]/.test(named) ? [`${at} calls a type ${named}; drop the I`] : [];
  });
  return lines > longestFile
    ? [...faults, `${path} has ${lines} lines; ${longestFile} are the most`]
    : faults;
}

function nameFaults({ path }: SourceFile): string[] {
  const names = path.split("/").map((name) => name.replace(/\..*$/, ""));
  const vague = names.find((name) => /^(utils?|helpers?|common|shared|misc|libs?)$/.test(name));
  return [
    ...(vague === undefined ? [] : [`${path} is named ${vague}, which says nothing of what is in it`]),
    ...(names.at(-1) === "index" ? [`${path} is a barrel`] : []),
    ...(/^[a-z0-9]+([-.][a-z0-9]+)*$/.test(basename(path)) ? [] : [`${path} is not in kebab-case`]),
  ];
}
