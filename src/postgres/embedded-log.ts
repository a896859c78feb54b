import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
} from "node:fs";

/** Bytes; with the one older file that is kept, the log takes twice as much. */
const maxBytes = 4 * 1024 * 1024;
const checkMs = 10_000;

/**
 * The server's log. The server writes to the file itself, so it needs nobody to read after it and an
 * orphan is not held up; it is cut by copying and truncating, which appending writers bear.
 */
export class ServerLog {
  readonly descriptor: number;
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;
  #attemptStart = 0;

  constructor(path: string) {
    this.#path = path;
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW } = constants;
    this.descriptor = openSync(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
    this.#cut();
    this.#timer = setInterval(() => this.#cut(), checkMs).unref();
  }

  #cut(): void {
    if (fstatSync(this.descriptor).size <= maxBytes) return;
    rmSync(`${this.#path}.1`, { force: true });
    copyFileSync(this.#path, `${this.#path}.1`, constants.COPYFILE_EXCL);
    ftruncateSync(this.descriptor, 0);
  }

  beginAttempt(): void {
    this.#attemptStart = fstatSync(this.descriptor).size;
  }

  /** What the server has said since the attempt began, at most its last 2 KiB. */
  attemptTail(): string {
    const { size } = fstatSync(this.descriptor);
    const buffer = Buffer.alloc(Math.min(2048, Math.max(0, size - this.#attemptStart)));
    readSync(this.descriptor, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString("utf8").trim();
  }

  close(): void {
    clearInterval(this.#timer);
    closeSync(this.descriptor);
  }
}
