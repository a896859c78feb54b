import { ConfigError } from "../config/config-error.ts";
import type { TlsPaths } from "../config.ts";
import type { Clock } from "../domain/clock.ts";
import { type Callers, parseCallersFile } from "../grpc/callers-file.ts";
import { FileFault } from "../grpc/file-fault.ts";
import { reloadFiles } from "../grpc/reload-files.ts";
import {
  checkCertificates,
  expiriesOf,
  type TlsCertificates,
  type TlsExpiries,
  tlsFiles,
} from "../grpc/tls-files.ts";
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
  onState(state: TlsState): void;
}

/** `files_unusable`: what is in use is not what stands in the files. `certificate_expired`: what is in use ran out. */
export type TlsState = "ok" | "files_unusable" | "certificate_expired";

interface Time {
  readonly clock: Clock;
  /** The time of day. */
  readonly now: () => Date;
}

/** A certificate that runs out in use is no change of a file: it is looked for. */
const expiryLookMs = 10_000;

/** Certificates and callers from their files, read again whenever they change. @throws ConfigError where unfit */
export function setUpTls(paths: TlsPaths, listener: TlsListener, { clock, now }: Time): TlsSetup {
  const unfit = new Set<string>();
  let expired = false;
  const state = (): TlsState => {
    if (expired) return "certificate_expired";
    return unfit.size === 0 ? "ok" : "files_unusable";
  };
  const tell = (files: string, fault: FileFault | undefined): void => {
    if (fault === undefined) unfit.delete(files);
    else unfit.add(files);
    if (fault !== undefined) listener.onFault(fault);
    listener.onState(state());
  };
  let use: (certificates: TlsCertificates) => void = () => undefined;
  const certificates = explained(() =>
    tlsFiles({
      ...paths,
      onChange(changed) {
        current = changed;
        expired = false;
        expiries = expiriesOf(changed);
        use(changed);
        tell("certificates", undefined);
      },
      onFault: (fault) => tell("certificates", fault),
    }),
  );
  let current = certificates.first;
  let expiries = expiriesOf(current);
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
  const look = (): void => {
    const fault = faultOf(current, now());
    if ((fault !== undefined) === expired) return;
    expired = fault !== undefined;
    if (fault !== undefined) listener.onFault(fault);
    listener.onState(state());
  };
  const stopped = new AbortController();
  const looking = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(expiryLookMs, stopped.signal);
      look();
    }
  };
  looking().catch(() => undefined);
  return {
    certificates: certificates.first,
    callers: () => callers,
    expiries: () => expiries,
    onCertificates(changed) {
      use = changed;
    },
    stop() {
      stopped.abort();
      certificates.stop();
      file.stop();
    },
  };
}

export function tlsCheck(state: TlsState): [CheckState, CheckDetail?] {
  return state === "ok" ? ["ok"] : ["degraded", state];
}

/** What is wrong with certificates that were fit for use before. */
function faultOf(certificates: TlsCertificates, now: Date): FileFault | undefined {
  try {
    checkCertificates(certificates, now);
    return undefined;
  } catch (error) {
    if (error instanceof FileFault) return error;
    throw error;
  }
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
