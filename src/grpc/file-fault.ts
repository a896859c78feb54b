import { fileFault } from "../domain/file-fault.ts";

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

/** @param file the setting that names the path */
export function unreadableFile(file: string, path: string, error: unknown): FileFault {
  return new FileFault(file, fileFault(path, error) ?? `${path} cannot be read`, { cause: error });
}
