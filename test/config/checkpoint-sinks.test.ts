import { join } from "node:path";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { readCheckpointSinks } from "../../src/config/checkpoint-sinks.ts";
import { Environment } from "../../src/config/environment.ts";

function read(sinks: string, over: Readonly<Record<string, string>> = {}) {
  const env = new Environment({ SIGNATURE_CHECKPOINT_SINKS: sinks, ...over });
  const config = readCheckpointSinks(env);
  return { config, faults: env.faults };
}

const ca = { SIGNATURE_CHECKPOINT_TSA_CA_FILE: "/etc/tsa.pem" };

describe("a time-stamp authority among SIGNATURE_CHECKPOINT_SINKS", () => {
  test("is taken with the authorities that are trusted, beside other places", () => {
    const sinks = "file:///var/lib/evidence/,rfc3161+https://tsa.example/path,rfc3161+http://127.0.0.1:8/tsa";
    const headers = { SIGNATURE_CHECKPOINT_HEADERS_FILE: "/etc/headers.json" };
    expect(read(sinks, { ...ca, ...headers })).toEqual({
      config: {
        sinks: sinks.split(","),
        headersFile: "/etc/headers.json",
        tsaCaFile: "/etc/tsa.pem",
      },
      faults: [],
    });
  });

  test.each([
    ["rfc3161+https://tsa.example/", {}, "SIGNATURE_CHECKPOINT_TSA_CA_FILE is required"],
    ["https://evidence.bank/", ca, "SIGNATURE_CHECKPOINT_TSA_CA_FILE is for time-stamp authorities"],
    ["rfc3161+http://tsa.example/", ca, "an http address that is not on loopback"],
    ["rfc3161+https://user:word@tsa.example/", ca, "credentials in an address"],
    ["rfc3161+file:///tsa", ca, "neither"],
    ["rfc3161+tsa.example", ca, "neither"],
  ])("is refused as %s", (sinks, over, fault) => {
    const { faults } = read(sinks, over as Record<string, string>);
    expect(faults.join("\n")).toContain(fault);
    expect(faults).toHaveLength(1);
  });
});

test("nothing that starts loads the library for ASN.1; it comes with the first time stamp", async () => {
  const { outputs } = (
    await build({
      absWorkingDir: join(import.meta.dirname, "../.."),
      entryPoints: ["src/main.ts", "src/evidence.ts", "src/admin.ts"],
      outdir: "unwritten",
      ...{ bundle: true, splitting: true, format: "esm", platform: "node", packages: "external" },
      ...{ write: false, metafile: true, logLevel: "error" },
    })
  ).metafile;
  const packagesFrom = (path: string, kinds: readonly string[], seen = new Set<string>()): string[] => {
    if (seen.has(path)) return [];
    seen.add(path);
    const imports = (outputs[path]?.imports ?? []).filter(({ kind }) => kinds.includes(kind));
    return imports.flatMap((one) => (one.external ? [one.path] : packagesFrom(one.path, kinds, seen)));
  };
  const library = /^(@peculiar|asn1js)/;
  for (const entry of ["main", "evidence", "admin"]) {
    const path = `unwritten/${entry}.js`;
    const loaded = packagesFrom(path, ["import-statement"]);
    expect(loaded.length).toBeGreaterThan(0);
    expect(loaded.filter((name) => library.test(name))).toEqual([]);
  }
  const onDemand = packagesFrom("unwritten/main.js", ["import-statement", "dynamic-import"]);
  expect(onDemand.some((name) => library.test(name))).toBe(true);
});
