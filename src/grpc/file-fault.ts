/** Why a file that a setting names cannot be used, and how to help it. No content of the file is in it. */
export class FileFault extends Error {
  override readonly name = "FileFault";
  /** The setting, e.g. "TLS_KEY_FILE". */
  readonly file: string;
  readonly fault: string;

  constructor(file: string, fault: string, options?: ErrorOptions) {
    super(`${file}: ${fault}`, options);
    this.file = file;
    this.fault = fault;
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "does not exist",
  EISDIR: "is a directory",
  EFBIG: "has more than 1 MiB",
  EACCES: "may not be read by this process; give its user or group the right to",
  EPERM: "may not be read by this process; give its user or group the right to",
};

export function unreadableFile(file: string, path: string, error: unknown): FileFault {
  const code = String((error as NodeJS.ErrnoException).code);
  return new FileFault(file, `${path} ${reasons[code] ?? `cannot be read (${code})`}`, { cause: error });
}
