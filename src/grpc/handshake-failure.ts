import type { TLSSocket } from "node:tls";

/** Why a client did not get through the TLS handshake. A closed set: it is a metric's label. */
export type HandshakeFault =
  | "no_certificate"
  | "certificate_expired"
  | "certificate_untrusted"
  | "certificate_refused"
  | "refused_by_client"
  | "protocol_version"
  | "cipher"
  | "no_http2"
  | "not_tls"
  | "timed_out"
  | "cut_off"
  | "other";

export interface HandshakeFailure {
  readonly fault: HandshakeFault;
  /** OpenSSL's or Node's, e.g. CERT_HAS_EXPIRED, ERR_SSL_HTTP_REQUEST. */
  readonly code: string;
  /** The client's, where it is still known. */
  readonly address: string | undefined;
}

const faultOfCode: Readonly<Record<string, HandshakeFault>> = {
  CERT_HAS_EXPIRED: "certificate_expired",
  CERT_NOT_YET_VALID: "certificate_expired",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate_untrusted",
  UNABLE_TO_GET_ISSUER_CERT: "certificate_untrusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate_untrusted",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate_untrusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate_untrusted",
  CERT_UNTRUSTED: "certificate_untrusted",
  CERT_SIGNATURE_FAILURE: "certificate_untrusted",
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: "no_certificate",
  ERR_SSL_UNSUPPORTED_PROTOCOL: "protocol_version",
  ERR_SSL_NO_SHARED_CIPHER: "cipher",
  ERR_SSL_NO_APPLICATION_PROTOCOL: "no_http2",
  ERR_SSL_HTTP_REQUEST: "not_tls",
  ERR_SSL_WRONG_VERSION_NUMBER: "not_tls",
  ERR_SSL_UNEXPECTED_MESSAGE: "not_tls",
  ERR_TLS_HANDSHAKE_TIMEOUT: "timed_out",
  ECONNRESET: "cut_off",
  EPIPE: "cut_off",
};

/** What became of a connection for which the server says `tlsClientError`. */
export function handshakeFailureOf(error: NodeJS.ErrnoException, socket: TLSSocket): HandshakeFailure {
  // Node ends a connection over its certificate by itself; the error says only that it was ended.
  const verified = socket.authorizationError as Error | string | null | undefined;
  const code = String(verified ?? error.code ?? "");
  return { fault: faultOf(code, Boolean(verified)), code, address: addressOf(socket) };
}

function faultOf(code: string, isOfCertificate: boolean): HandshakeFault {
  const known = Object.hasOwn(faultOfCode, code) ? faultOfCode[code] : undefined;
  if (known !== undefined) return known;
  if (isOfCertificate) return "certificate_refused";
  return /^ERR_SSL_.*_ALERT_/.test(code) ? "refused_by_client" : "other";
}

/** A connection that was ended has no address any more, but the one that it was made over remembers its own. */
function addressOf(socket: TLSSocket): string | undefined {
  const under: unknown = Reflect.get(socket, "_parent");
  const known = socket.remoteAddress ?? (under as { remoteAddress?: string } | null)?.remoteAddress;
  return known?.replace(/^::ffff:/, "");
}
