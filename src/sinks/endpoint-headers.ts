import { readFile } from "node:fs/promises";

/** @param file JSON of headers by origin, read anew for each delivery: credentials may be exchanged in it */
export async function endpointHeaders(file: string | undefined, url: URL): Promise<Record<string, string>> {
  if (file === undefined) return {};
  const byOrigin = JSON.parse(await readFile(file, "utf8")) as Record<string, Record<string, string>>;
  return byOrigin[url.origin] ?? {};
}
