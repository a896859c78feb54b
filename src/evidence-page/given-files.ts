import { Buffer } from "./buffer.ts";
import { sha256 } from "./sha-256.ts";

/** A file as the browser hands it out. */
interface ChosenFile {
  readonly name: string;
  arrayBuffer(): Promise<ArrayBuffer>;
}

export interface ReadFile {
  readonly file: ChosenFile;
  readonly name: string;
  readonly size: number;
  /** Lower-case hex, by the browser. */
  readonly sha256: string;
  readonly bytes: Uint8Array;
}

/** Which file a dropped one is: a JWK set has `keys` and no `format`, which every pack has. */
export function givenPart(name: string, content: string): "pack" | "text" | "keys" {
  if (/\.txt$/i.test(name)) return "text";
  try {
    const document = JSON.parse(content) as { readonly keys?: unknown; readonly format?: unknown };
    return Array.isArray(document?.keys) && document.format === undefined ? "keys" : "pack";
  } catch {
    return "pack";
  }
}

export async function readFiles(files: readonly ChosenFile[]): Promise<ReadFile[]> {
  return await Promise.all(
    files.map(async (file) => {
      const bytes = new Uint8Array(await file.arrayBuffer());
      const digest = Buffer.from(new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes)));
      if (!digest.equals(sha256(bytes))) throw new Error("two digests of the same file differ");
      return { file, name: file.name, size: bytes.length, sha256: digest.toString("hex"), bytes };
    }),
  );
}
