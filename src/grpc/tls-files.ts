import { X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { reloadFiles } from "./reload-files.ts";

/** PEM texts of the server's side of mutual TLS. */
export interface TlsCertificates {
  /** The server's certificate, then its intermediates. */
  readonly cert: string;
  readonly key: string;
  /** Authorities that client certificates are checked against. */
  readonly clientCa: string;
}

export interface TlsFilesOptions {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string;
  onChange(certificates: TlsCertificates): void;
  /** The new files cannot be used; the certificates before stay. */
  onFault(error: unknown): void;
  /** Milliseconds between looks at the files; default 2 s. */
  readonly intervalMs?: number;
}

/**
 * Reads certificates now and again whenever they change.
 * @throws Error where they cannot be used at the start
 */
export function tlsFiles(options: TlsFilesOptions): { first: TlsCertificates; stop(): void } {
  return reloadFiles({
    files: { cert: options.certFile, key: options.keyFile, clientCa: options.clientCaFile },
    parse: checkCertificates,
    onChange: (certificates) => options.onChange(certificates),
    onFault: (error) => options.onFault(error),
    ...(options.intervalMs !== undefined && { intervalMs: options.intervalMs }),
  });
}

/** @throws Error where key and certificate do not fit, the certificate is out of date, or the CA is none */
export function checkCertificates(certificates: TlsCertificates): TlsCertificates {
  const { cert, key, clientCa } = certificates;
  createSecureContext({ cert, key });
  const { validFromDate, validToDate } = new X509Certificate(cert);
  const now = new Date();
  if (now < validFromDate || now > validToDate) throw new Error("the server certificate is out of date");
  // OpenSSL passes over what it cannot read among authorities, and would then trust nobody.
  const authorities = clientCa.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (authorities.length === 0) throw new Error("the client CA file holds no certificate");
  for (const authority of authorities) new X509Certificate(authority);
  return certificates;
}
