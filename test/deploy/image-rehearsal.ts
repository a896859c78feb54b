import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { assignments, contextOf, parseDockerfile, words } from "./dockerfile.ts";

// Follows .deploy/Dockerfile without a container engine: each stage is a folder, what it copies is copied, what it
// runs is run there. By hand, with the real `npm ci`: `node test/deploy/image-rehearsal.ts [folder]`.

const root = join(import.meta.dirname, "../..");
const dockerfile = join(root, ".deploy/Dockerfile");

/** The last stage of the Dockerfile. */
export interface RehearsedImage extends Disposable {
  /** What would be `/` in a container. */
  readonly folder: string;
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  readonly uid: number;
  readonly gid: number;
  readonly command: readonly string[];
  readonly healthcheck: readonly string[];
  /** Every command that was run. */
  readonly ran: readonly string[];
}

interface Stage {
  readonly folder: string;
  workdir: string;
  env: Record<string, string>;
  user: string;
  entrypoint: string[];
  cmd: string[];
  healthcheck: string[];
}

/** Takes the installed packages for those that `npm ci` would install. */
export function linkPackages(command: string, cwd: string): void {
  if (command.startsWith("npm ci ")) symlinkSync(join(root, "node_modules"), join(cwd, "node_modules"));
  else runHere(command, cwd);
}

function runHere(command: string, cwd: string): void {
  const env = { PATH: `${dirname(process.execPath)}:${process.env["PATH"]}`, HOME: process.env["HOME"] };
  execFileSync("sh", ["-c", command], { cwd, env, stdio: ["ignore", "ignore", "inherit"] });
}

/** Builds the image's folder; nobody but root could write to it. */
export function rehearseImage(run = runHere): RehearsedImage {
  const top = mkdtempSync(join(tmpdir(), "signature-router-image-"));
  const stages = new Map<string, Stage>();
  const ran: string[] = [];
  let stage: Stage | undefined;
  for (const { keyword, flags, rest } of parseDockerfile(readFileSync(dockerfile, "utf8"))) {
    if (keyword === "FROM") {
      const [image = "", , name = "image"] = rest.split(" ");
      stage = newStage(join(top, name), image);
      stages.set(name, stage);
      continue;
    }
    if (stage === undefined) throw new Error(`${keyword} stands before FROM`);
    if (keyword === "WORKDIR") stage.workdir = rest;
    else if (keyword === "USER") stage.user = rest;
    else if (keyword === "ENV") Object.assign(stage.env, assignments(rest));
    else if (keyword === "ENTRYPOINT") stage.entrypoint = words(rest);
    else if (keyword === "CMD") stage.cmd = words(rest);
    else if (keyword === "HEALTHCHECK") stage.healthcheck = words(rest.replace(/^CMD /, ""));
    else if (keyword === "COPY") copy(stage, words(rest), flags["from"] && stages.get(flags["from"])?.folder);
    else if (keyword === "RUN") {
      run(rest, at(stage, "."));
      ran.push(rest);
    } else if (keyword !== "EXPOSE") throw new Error(`the rehearsal does not know ${keyword}`);
    mkdirSync(at(stage, "."), { recursive: true });
  }
  if (stage === undefined) throw new Error("the Dockerfile has no stage");
  chmodSync(top, 0o755);
  execFileSync("chmod", ["-R", "a-w", stage.folder]);
  // Mount points are made there, as an engine does before it starts a container.
  chmodSync(stage.folder, 0o755);
  const [uid = 0, gid = 0] = stage.user.split(":").map(Number);
  const { folder, workdir, env, entrypoint, cmd, healthcheck } = stage;
  return {
    ...{ folder, workdir, env, uid, gid, healthcheck, ran },
    command: [...entrypoint, ...cmd],
    [Symbol.dispose]() {
      execFileSync("chmod", ["-R", "u+w", top]);
      rmSync(top, { recursive: true, force: true });
    },
  };
}

function newStage(folder: string, image: string): Stage {
  mkdirSync(folder, { recursive: true });
  if (image.startsWith("node:")) cpSync(process.execPath, join(folder, "usr/local/bin/node"));
  return { folder, workdir: "/", env: {}, user: "0:0", entrypoint: [], cmd: [], healthcheck: [] };
}

function at(stage: Stage, path: string): string {
  return join(stage.folder, path.startsWith("/") ? path : join(stage.workdir, path));
}

/** From another stage, or from the build's context as the .dockerignore has it. */
function copy(stage: Stage, paths: string[], from: string | undefined): void {
  const target = paths.at(-1) ?? "";
  for (const path of paths.slice(0, -1)) {
    if (from === undefined && path === ".") {
      for (const kept of contextOf(root, `${dockerfile}.dockerignore`)) {
        cpSync(join(root, kept), join(at(stage, target), kept), { recursive: true });
      }
      continue;
    }
    const source = join(from ?? root, path);
    // As Docker does: a file goes into a folder, the content of a folder too.
    const into = target.endsWith("/") && statSync(source).isFile();
    cpSync(source, at(stage, into ? join(target, basename(path)) : target), { recursive: true });
  }
}

if (import.meta.main) {
  const image = rehearseImage();
  console.log(`${image.ran.join("\n")}\nimage: ${image.folder}`);
  execFileSync("du", ["-sh", image.folder], { stdio: "inherit" });
}
