import { mkdir, open, readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CheckpointCopy, CheckpointSink } from "../domain/checkpoint-sink.ts";

/**
 * A file that grows by one line for each checkpoint, or, where the path ends with a slash, a directory with a file for
 * each. Nothing that is there is ever written again: mount it append-only (chattr +a), or where it is written once.
 */
export class FileSink implements CheckpointSink {
  readonly kind = "file";
  readonly name: string;
  readonly #path: string;
  readonly #isDirectory: boolean;
  #read: { readonly stamp: string; readonly copies: readonly CheckpointCopy[] } | undefined;

  constructor(name: string, path: string) {
    this.name = name;
    this.#path = path;
    this.#isDirectory = path.endsWith("/");
  }

  async deliver(copy: CheckpointCopy): Promise<"delivered" | "differs"> {
    const known = (await this.copies()).find(({ day }) => day === copy.day);
    if (known !== undefined) return known.hash === copy.hash ? "delivered" : "differs";
    await mkdir(this.#isDirectory ? this.#path : dirname(this.#path), { recursive: true });
    const path = this.#isDirectory ? join(this.#path, `${copy.day}.json`) : this.#path;
    const file = await open(path, this.#isDirectory ? "wx" : "a", 0o644);
    try {
      await file.write(`${JSON.stringify(copy)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    return "delivered";
  }

  /** What is there; read again where it has changed. A line that a crash cut off is none. */
  async copies(): Promise<readonly CheckpointCopy[]> {
    const found = await stat(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (found === undefined) return [];
    const stamp = `${found.ino} ${found.size} ${found.mtimeMs}`;
    if (this.#read?.stamp !== stamp) {
      const lines = (await this.#texts()).flatMap((text) => text.split("\n"));
      this.#read = { stamp, copies: lines.flatMap((line) => parsed(line) ?? []) };
    }
    return this.#read.copies;
  }

  async #texts(): Promise<string[]> {
    if (!this.#isDirectory) return [await readFile(this.#path, "utf8")];
    const names = (await readdir(this.#path)).filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name)).sort();
    return await Promise.all(names.map((name) => readFile(join(this.#path, name), "utf8")));
  }
}

function parsed(line: string): CheckpointCopy | undefined {
  try {
    const copy = JSON.parse(line) as Partial<CheckpointCopy>;
    return typeof copy.day === "string" && typeof copy.hash === "string"
      ? (copy as CheckpointCopy)
      : undefined;
  } catch {
    return undefined;
  }
}
