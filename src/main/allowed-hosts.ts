import { isIP } from "node:net";
import type { HttpHandler } from "./http-listener.ts";

/** Which names in Host a listener goes by, beside every IP address. */
export interface HostNames {
  readonly form: RegExp;
  /** Further ones, in lower case. */
  readonly others: readonly string[];
}

/** What nobody but the machine itself resolves to a loopback address. */
export const loopbackNames = /^(?:.+\.)?localhost$/;
/** Names that no public DNS has: without a dot, of a Kubernetes cluster, of a cloud's own zone. */
export const privateNames = /^[^.]+$|\.(?:svc|svc\.cluster\.local|internal|localhost)$/;

/**
 * Answers 421 where Host is a name that an attacker's DNS may point here: a page of evil.example would otherwise read
 * what is served, through a browser on this network (DNS rebinding).
 * @param isGuarded whether a path is
 */
export function onlyHosts(
  handler: HttpHandler,
  names: HostNames,
  isGuarded: (path: string) => boolean,
): HttpHandler {
  return (request, response) => {
    const path = (request.url ?? "").split("?", 1)[0] ?? "";
    if (!isGuarded(path) || isNamed(request.headers.host, names)) return handler(request, response);
    response.writeHead(421, { "content-type": "text/plain; charset=utf-8" });
    response.end("Host is no name of this service\n");
    return undefined;
  };
}

function isNamed(host: string | undefined, { form, others }: HostNames): boolean {
  // HTTP/1.0 without Host: no browser.
  if (host === undefined) return true;
  const name = nameIn(host);
  return name !== undefined && (isIP(name) !== 0 || form.test(name) || others.includes(name));
}

/** Without port and brackets, in lower case; undefined where it is no host. */
function nameIn(host: string): string | undefined {
  if (host.length > 300 || /[/?#@\\]/.test(host) || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}
