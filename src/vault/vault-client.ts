import type NodeVault from "node-vault";
import type { VaultTransport } from "./transport.ts";
import { answerFault, asVaultError, isRecord, VaultError } from "./vault-error.ts";

export interface VaultClientOptions {
  /** As `checkedAddress` gives it. */
  readonly endpoint: string;
  readonly namespace?: string;
  readonly transport: VaultTransport;
}

type NodeVaultFactory = (options: NodeVault.VaultOptions) => NodeVault.client;

/**
 * node-vault behind a guard, with one token for its whole life: a client whose token changes goes on
 * sending the old one, and a login would send a token along.
 */
export class VaultClient {
  readonly #options: VaultClientOptions;
  readonly #factory: NodeVaultFactory;
  readonly #client: NodeVault.client;
  readonly #token: string;
  readonly #others = new Map<VaultTransport, VaultClient>();

  /** A client without a token. Loads node-vault, which costs 150 ms, only where there is a Vault. */
  static async load(options: VaultClientOptions): Promise<VaultClient> {
    const { default: factory } = await import("node-vault");
    return new VaultClient(options, factory, "");
  }

  private constructor(options: VaultClientOptions, factory: NodeVaultFactory, token: string) {
    this.#options = options;
    this.#factory = factory;
    this.#token = token;
    this.#client = guarded(options, factory, token);
  }

  withToken(token: string): VaultClient {
    return new VaultClient(this.#options, this.#factory, token);
  }

  /** The same token over other connections; made once for each. */
  over(transport: VaultTransport): VaultClient {
    let other = this.#others.get(transport);
    if (other === undefined) {
      other = new VaultClient({ ...this.#options, transport }, this.#factory, this.#token);
      this.#others.set(transport, other);
    }
    return other;
  }

  /** @param path below /v1, without a slash in front. @throws VaultError; the signal's reason once it fired */
  read(path: string, signal: AbortSignal): Promise<unknown> {
    return this.#guard(path, signal, () => this.#client.read(path, callOptions(signal)));
  }

  /** @throws VaultError; the signal's reason once it fired */
  write(path: string, body: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<unknown> {
    return this.#guard(path, signal, () => this.#client.write(path, body, callOptions(signal)));
  }

  async #guard(path: string, signal: AbortSignal, call: () => Promise<unknown>): Promise<unknown> {
    try {
      return await call();
    } catch (error) {
      signal.throwIfAborted();
      throw nodeVaultFault(error, path);
    }
  }
}

function guarded(options: VaultClientOptions, factory: NodeVaultFactory, token: string): NodeVault.client {
  const { endpoint, namespace = "", transport } = options;
  const client = factory({
    endpoint,
    // The debug package would print ids and secrets under DEBUG=node-vault.
    debug: () => {},
    "request-promise": { defaults: () => transport.send.bind(transport) },
  });
  // Set afterwards, since an empty option would fall back to VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX.
  return Object.assign(client, { token, namespace, pathPrefix: "" });
}

/** Fresh for each call: node-vault writes the token into the headers that it is given. */
function callOptions(signal: AbortSignal): NodeVault.Option {
  // A Vault Agent or Proxy may demand this header, as a guard against forged requests.
  return { signal, headers: { "X-Vault-Request": "true" } };
}

/** node-vault's ApiResponseError is not exported; it carries the status and the parsed body. */
function nodeVaultFault(error: unknown, path: string): VaultError {
  if (error instanceof VaultError || !(error instanceof Error) || !("response" in error)) {
    return asVaultError(error);
  }
  const { response } = error;
  if (!isRecord(response) || typeof response["statusCode"] !== "number") return asVaultError(error);
  return answerFault(response["statusCode"], response["body"], path);
}
