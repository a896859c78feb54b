import { ConfigError } from "../config/config-error.ts";
import type { TlsPaths } from "../config.ts";
import { type Callers, parseCallersFile } from "../grpc/callers-file.ts";
import { FileFault } from "../grpc/file-fault.ts";
import { reloadFiles } from "../grpc/reload-files.ts";
import { expiriesOf, type TlsCertificates, type TlsExpiries, tlsFiles } from "../grpc/tls-files.ts";
import type { CheckDetail, CheckState } from "../telemetry/readiness.ts";

export interface TlsSetup {
  readonly certificates: TlsCertificates;
  callers(): Callers;
  /** Of the certificates in use. */
  expiries(): TlsExpiries;
  /** From now on new certificates go there. */
  onCertificates(use: (certificates: TlsCertificates) => void): void;
  stop(): void;
}

export interface TlsListener {
  /** Changed files cannot be used; what was read before stays in use. Once for each such change. */
  onFault(fault: FileFault): void;
  /** Whether what stands in the files is what is in use. */
  onState(fits: boolean): void;
}

/** Certificates and callers from their files, read again whenever they change. @throws ConfigError where unfit */
export function setUpTls(paths: TlsPaths, listener: TlsListener): TlsSetup {
  const unfit = new Set<string>();
  const tell = (files: string, fault: FileFault | undefined): void => {
    if (fault === undefined) unfit.delete(files);
    else unfit.add(files);
    if (fault !== undefined) listener.onFault(fault);
    listener.onState(unfit.size === 0);
  };
  let use: (certificates: TlsCertificates) => void = () => undefined;
  const certificates = explained(() =>
    tlsFiles({
      ...paths,
      onChange(changed) {
        expiries = expiriesOf(changed);
        use(changed);
        tell("certificates", undefined);
      },
      onFault: (fault) => tell("certificates", fault),
    }),
  );
  let expiries = expiriesOf(certificates.first);
  let callers: Callers;
  const file = explained(() =>
    reloadFiles({
      files: { CALLERS_FILE: paths.callersFile },
      parse: (texts) => callersOf(texts.CALLERS_FILE),
      onChange(changed) {
        callers = changed;
        tell("callers", undefined);
      },
      onFault: (fault) => tell("callers", fault),
    }),
  );
  callers = file.first;
  return {
    certificates: certificates.first,
    callers: () => callers,
    expiries: () => expiries,
    onCertificates(changed) {
      use = changed;
    },
    stop() {
      certificates.stop();
      file.stop();
    },
  };
}

export function tlsCheck(fits: boolean): [CheckState, CheckDetail?] {
  return fits ? ["ok"] : ["degraded", "files_unusable"];
}

function callersOf(text: string): Callers {
  try {
    return parseCallersFile(text);
  } catch (error) {
    throw new FileFault("CALLERS_FILE", (error as Error).message.replace(/^callers file: /, ""));
  }
}

/** The same, with faults as the operator reads them: they name files and fields only. */
function explained<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FileFault) throw new ConfigError([error.message]);
    throw error;
  }
}
