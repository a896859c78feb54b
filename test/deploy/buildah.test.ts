import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parseDockerfile, words } from "./dockerfile.ts";

const text = readFileSync(join(import.meta.dirname, "../../.deploy/Dockerfile"), "utf8");
const instructions = parseDockerfile(text);

it("HEALTHCHECK has no flag that buildah 1.28 and Podman 4 do not know", () => {
  const flags = instructions.filter(({ keyword }) => keyword === "HEALTHCHECK").map(({ flags }) => flags);
  expect(flags).toHaveLength(1);
  // --start-interval came with Docker 25.
  expect(Object.keys(flags[0] ?? {}).sort()).toEqual(["interval", "start-period", "timeout"]);
});

const buildah = process.getuid?.() === 0 && spawnSync("buildah", ["--version"]).status === 0;

// Every step that copies and runs is `npm run image:check`, which takes minutes.
describe.skipIf(!buildah)("buildah", () => {
  const folder = mkdtempSync(join(tmpdir(), "signature-router-buildah-"));
  const storage = [
    "--storage-driver",
    "vfs",
    "--root",
    join(folder, "storage"),
    "--runroot",
    join(folder, "run"),
  ];
  const run = (...args: string[]) =>
    execFileSync("buildah", [...storage, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("makes an image of what the last stage says of itself", () => {
    const last = text.slice(text.lastIndexOf("\nFROM ") + 1).replace(/^FROM .*/, "FROM scratch");
    writeFileSync(join(folder, "Dockerfile"), last.replaceAll(/^COPY .*$/gm, ""));
    run("bud", "--isolation", "chroot", "--format", "docker", "--tag", "metadata", folder);
    const { Docker } = JSON.parse(run("inspect", "--type", "image", "metadata"));
    const of = (name: string) => instructions.findLast(({ keyword }) => keyword === name)?.rest ?? "";
    expect(Docker.config).toMatchObject({
      User: of("USER"),
      WorkingDir: "/app",
      Entrypoint: words(of("ENTRYPOINT")),
      Cmd: words(of("CMD")),
      Env: expect.arrayContaining([
        "NODE_ENV=production",
        "SIGNATURE_PRODUCTION_ALLOW=ops-on-all-interfaces",
      ]),
      Healthcheck: {
        Interval: 5e9,
        Timeout: 3e9,
        StartPeriod: 20e9,
        Test: ["CMD", ...words(of("HEALTHCHECK").replace(/^CMD /, ""))],
      },
    });
  });
});
