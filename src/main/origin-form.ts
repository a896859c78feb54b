import type { IncomingMessage } from "node:http";

/**
 * Rewrites a target in absolute form, as proxies send it, to origin form. Its authority then counts instead of
 * the Host header (RFC 9112, 3.2.2).
 */
export function toOriginForm(request: IncomingMessage): void {
  const [, authority, rest = ""] = /^https?:\/\/([^/?#]*)(.*)$/is.exec(request.url ?? "") ?? [];
  if (authority === undefined) return;
  request.url = rest.startsWith("/") ? rest : `/${rest}`;
  request.headers.host = authority;
}
