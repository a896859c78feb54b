import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { FileFault } from "./file-fault.ts";
import { reloadFiles } from "./reload-files.ts";

/** PEM texts of the server's side of mutual TLS. */
export interface TlsCertificates {
  /** The server's certificate, then its intermediates. */
  readonly cert: string;
  readonly key: string;
  /** Authorities that client certificates are checked against. */
  readonly clientCa: string;
}

/** When the first certificate of each file runs out. */
export interface TlsExpiries {
  readonly server: Date;
  readonly clientCa: Date;
}

export interface TlsFilesOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  onChange(certificates: TlsCertificates): void;
  /** The new files cannot be used; the certificates before stay. */
  onFault(fault: FileFault): void;
  /** Milliseconds between looks at the files; default 2 s. */
  readonly intervalMs?: number;
}

/**
 * Reads certificates now and again whenever they change.
 * @throws FileFault where they cannot be used at the start
 */
export function tlsFiles(options: TlsFilesOptions): { first: TlsCertificates; stop(): void } {
  const { certFile, keyFile, clientCaFile, intervalMs } = options;
  return reloadFiles({
    files: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CLIENT_CA_FILE: clientCaFile },
    parse: (texts) =>
      checkCertificates({
        ...{ cert: texts.TLS_CERT_FILE, key: texts.TLS_KEY_FILE, clientCa: texts.TLS_CLIENT_CA_FILE },
      }),
    onChange: (certificates) => options.onChange(certificates),
    onFault: (fault) => options.onFault(fault),
    ...(intervalMs !== undefined && { intervalMs }),
  });
}

/** @throws FileFault where a file is not what it should be, key and certificate do not fit, or one is out of date */
export function checkCertificates(certificates: TlsCertificates, now = new Date()): TlsCertificates {
  const { cert, key, clientCa } = certificates;
  const [leaf] = certificatesIn("TLS_CERT_FILE", cert);
  if (!leaf.checkPrivateKey(privateKeyIn(key))) {
    throw new FileFault("TLS_KEY_FILE", "its key is not that of the certificate in TLS_CERT_FILE");
  }
  if (now > leaf.validToDate) {
    throw new FileFault("TLS_CERT_FILE", `its certificate expired on ${day(leaf.validToDate)}`);
  }
  if (now < leaf.validFromDate) {
    throw new FileFault("TLS_CERT_FILE", `its certificate is valid only from ${day(leaf.validFromDate)}`);
  }
  // OpenSSL passes over what it cannot read among authorities, and would then trust nobody.
  const authorities = certificatesIn("TLS_CLIENT_CA_FILE", clientCa);
  if (authorities.every(({ validToDate }) => now > validToDate)) {
    throw new FileFault("TLS_CLIENT_CA_FILE", "every certificate in it has expired");
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new FileFault("TLS_CERT_FILE", `OpenSSL refuses it (${code})`, { cause: error });
  }
  return certificates;
}

/** When the certificates in use run out. */
export function expiriesOf({ cert, clientCa }: TlsCertificates): TlsExpiries {
  return {
    server: earliest(certificatesIn("TLS_CERT_FILE", cert)),
    clientCa: earliest(certificatesIn("TLS_CLIENT_CA_FILE", clientCa)),
  };
}

function certificatesIn(file: string, pem: string): [X509Certificate, ...X509Certificate[]] {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const [first, ...others] = texts.map((text) => {
    try {
      return new X509Certificate(text);
    } catch (error) {
      throw new FileFault(file, "holds a certificate that cannot be read", { cause: error });
    }
  });
  if (first === undefined) throw new FileFault(file, "holds no certificate in PEM form");
  return [first, ...others];
}

function privateKeyIn(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw new FileFault("TLS_KEY_FILE", "holds no private key in PEM form without a passphrase", {
      cause: error,
    });
  }
}

function earliest(certificates: readonly X509Certificate[]): Date {
  return new Date(Math.min(...certificates.map(({ validToDate }) => validToDate.getTime())));
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
