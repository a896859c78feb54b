import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const folder = join(import.meta.dirname, "../../.deploy");

/** Names and tags of the images that come from a registry. */
function foreignImages(): string[] {
  const dockerfile = readFileSync(join(folder, "Dockerfile"), "utf8");
  const compose = readFileSync(join(folder, "compose.yaml"), "utf8");
  return [
    ...[...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, name = ""]) => name),
    ...[...compose.matchAll(/^ +image: (\S+)/gm)].map(([, name = ""]) => name),
  ].filter((name) => name !== "scratch" && !name.startsWith("signature-router"));
}

it("every image is of one version, so that the same files make the same installation", () => {
  const images = foreignImages();
  expect(images.length).toBeGreaterThan(4);
  // PostgreSQL's versions have two parts; distroless has none, only a Debian release.
  const exact =
    /^(postgres:\d+\.\d+|gcr\.io\/distroless\/[\w-]+debian\d+:nonroot|[\w/.-]+:v?\d+\.\d+\.\d+(-[\w-]+)?)$/;
  expect(images.filter((name) => !exact.test(name))).toEqual([]);
});
