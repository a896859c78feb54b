import { VaultError } from "./vault-error.ts";

/**
 * Where Vault is, without a slash at the end: https, or http to loopback, since the token travels with each
 * call.
 * @throws VaultError invalid
 */
export function checkedAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new VaultError("invalid", "the Vault address is not a URL");
  const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== "https:" && !(url.protocol === "http:" && loopback)) {
    throw new VaultError("invalid", "the Vault address must be https, or http to loopback");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw new VaultError("invalid", "the Vault address must have no credentials, query or fragment");
  }
  return url.origin + url.pathname.replace(/(?<!\/)\/+$/, "");
}

/**
 * A mount point such as `secret` or `teams/payments/kv`, without slashes around it. It becomes part of a
 * path, so it is refused where it would have to be encoded: node-vault does that wrongly.
 * @throws VaultError invalid
 */
export function checkedMount(text: string): string {
  const mount = text.replace(/^\/+|(?<!\/)\/+$/g, "");
  const segments = mount.split("/");
  const plain = (segment: string) => /^[\w.-]+$/.test(segment) && !/^\.+$/.test(segment);
  if (!segments.every(plain)) {
    throw new VaultError("invalid", "a Vault mount must be letters, digits, dots, dashes and slashes");
  }
  return mount;
}
