import { ConfigError } from "../config/config-error.ts";
import type { TlsPaths } from "../config.ts";
import { type Callers, parseCallersFile } from "../grpc/callers-file.ts";
import { reloadFiles } from "../grpc/reload-files.ts";
import { type TlsCertificates, tlsFiles } from "../grpc/tls-files.ts";

export interface TlsSetup {
  readonly certificates: TlsCertificates;
  callers(): Callers;
  /** From now on new certificates go there. */
  onCertificates(use: (certificates: TlsCertificates) => void): void;
  stop(): void;
}

/** Certificates and callers from their files, read again whenever they change. @throws ConfigError where unfit */
export function setUpTls(paths: TlsPaths, onFault: (error: unknown) => void): TlsSetup {
  let use: (certificates: TlsCertificates) => void = () => undefined;
  const certificates = explained(() => tlsFiles({ ...paths, onChange: (changed) => use(changed), onFault }));
  let callers: Callers;
  const file = explained(() =>
    reloadFiles({
      files: { callers: paths.callersFile },
      parse: (texts) => parseCallersFile(texts.callers),
      onChange(changed) {
        callers = changed;
      },
      onFault,
    }),
  );
  callers = file.first;
  return {
    certificates: certificates.first,
    callers: () => callers,
    onCertificates(changed) {
      use = changed;
    },
    stop() {
      certificates.stop();
      file.stop();
    },
  };
}

/** The same, with faults that the operator may read: they name files and fields only. */
function explained<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError([`TLS files: ${error instanceof Error ? error.message : "not usable"}`]);
  }
}
