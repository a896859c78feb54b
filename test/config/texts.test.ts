import { expect, test } from "vitest";
import { Environment } from "../../src/config/environment.ts";
import { readSignature } from "../../src/config/signature.ts";
import { newestTextVersion } from "../../src/domain/message-texts.ts";

function read(variables: Record<string, string>) {
  const env = new Environment(variables);
  return { ...readSignature(env, true), faults: env.faults };
}

test("messages without a locale are in Spanish, unless another language or region is set", () => {
  expect(read({})).toMatchObject({ defaultLocale: "es", faults: [] });
  expect(read({ SIGNATURE_DEFAULT_LANGUAGE: "en" })).toMatchObject({ defaultLocale: "en", faults: [] });
  expect(read({ SIGNATURE_DEFAULT_LANGUAGE: "es_mx" })).toMatchObject({ defaultLocale: "es-MX", faults: [] });
});

test.each(["fr", "esx", "es-", "x-es", "es MX", "e".repeat(300)])("%j is no default language", (value) => {
  expect(read({ SIGNATURE_DEFAULT_LANGUAGE: value }).faults).toEqual([
    "SIGNATURE_DEFAULT_LANGUAGE must be one of es, en, with a region or none, such as es-MX",
  ]);
});

test("texts are written in the newest version, or in an older one while a deploy rolls", () => {
  expect(read({})).toMatchObject({ textVersion: newestTextVersion, faults: [] });
  expect(read({ SIGNATURE_TEXT_VERSION: "1" })).toMatchObject({ textVersion: 1, faults: [] });
  for (const value of ["0", String(newestTextVersion + 1), "newest"]) {
    expect(read({ SIGNATURE_TEXT_VERSION: value }).faults, value).toHaveLength(1);
  }
});
