/** What an operator can do about a file that cannot be read, by Node's code. */
const cures: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  ENOTDIR: "does not exist: a part of its path is a file",
  EISDIR: "is a directory: name the file in it",
  EFBIG: "has more than 1 MiB",
  EACCES:
    "may not be read by this user: mode 0440 and its group (in Kubernetes, defaultMode: 0440 and the pod's fsGroup)",
  EPERM: "may not be read by this user: a policy of the system (AppArmor, SELinux) forbids it",
  ELOOP: "is a symbolic link that leads to itself",
  EMFILE: "cannot be opened: too many files are open, raise the limit (ulimit -n)",
};

/** Says why a file cannot be read, and the cure; undefined where the error is no fault of files. */
export function fileFault(path: string, error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
  const syscall = error instanceof Error && "syscall" in error;
  if (code === undefined || !syscall) return undefined;
  return `${path} ${cures[code] ?? `cannot be read (${code})`}`;
}
