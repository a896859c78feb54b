import { readFileSync } from "node:fs";
import { join } from "node:path";

interface LockedPackage {
  readonly version?: string;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * What `npm ci` would stumble over on another machine. npm 10 leaves packages of other platforms out of a lockfile
 * that its registry lacks, and only npm 11 and 12 refuse it; npm 12 runs no install script that is not allowed.
 */
export function lockfileFaults(root: string): string[] {
  const read = (name: string) => JSON.parse(readFileSync(join(root, name), "utf8"));
  const manifest: LockedPackage & { allowScripts?: Readonly<Record<string, boolean>> } = read("package.json");
  const packages: Readonly<Record<string, LockedPackage>> = read("package-lock.json").packages;
  const missing = Object.entries(packages).flatMap(([path, locked]) =>
    Object.keys({ ...locked.dependencies, ...locked.devDependencies, ...locked.optionalDependencies })
      .filter((name) => !isLocked(name, path, packages))
      .map((name) => `${path || "package.json"} needs ${name}, which the lockfile lacks`),
  );
  const direct = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
  const differing = Object.entries(direct)
    .filter(([name, version]) => packages[`node_modules/${name}`]?.version !== version)
    .map(([name, version]) => `package.json wants exactly ${name} ${version}, which is not what is locked`);
  const undecided = Object.entries(packages)
    .filter(([, locked]) => locked.hasInstallScript)
    .map(([path]) => path.replace(/^.*node_modules\//, ""))
    .filter((name) => manifest.allowScripts?.[name] === undefined)
    .map((name) => `${name} has an install script that allowScripts neither allows nor forbids`);
  return [...missing, ...differing, ...undecided];
}

/** Found as Node finds it: in the package's own node_modules, else in those of the folders above. */
function isLocked(name: string, from: string, packages: Readonly<Record<string, LockedPackage>>): boolean {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    if (packages[folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`]) return true;
    if (folder === "") return false;
  }
}
