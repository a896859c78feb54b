import { checkedMount } from "./address.ts";
import type { TokenSession } from "./token-session.ts";
import { readTransitKey, type TransitKey, type TransitKeyUse } from "./transit-key.ts";
import type { VaultTransport } from "./transport.ts";
import { asVaultError, isRecord, VaultError } from "./vault-error.ts";
import type { VaultClock } from "./waiting.ts";

export interface TransitOptions {
  /** Of the Transit engine. Default `transit`. */
  readonly mount?: string;
  /** Names of the keys in it, and what each is for. */
  readonly keys: readonly { readonly name: string; readonly use: TransitKeyUse }[];
}

interface Deps {
  readonly session: TokenSession;
  /** Keeps its connections: calls are many and each delays a customer. */
  readonly transport: VaultTransport;
  readonly clock: VaultClock;
  readonly closing: AbortSignal;
  /** Why a signature or an HMAC was not made; undefined once they are made again. */
  readonly onFault: (fault: VaultError | undefined) => void;
}

/** Without a fault for so long, they are made again: calls that go well among others that fail end nothing. */
const recoveredMs = 5_000;

/** Signatures and HMACs by keys that never leave Vault, and what Vault tells of these keys. */
export class Transit {
  readonly #deps: Deps;
  readonly #mount: string;
  readonly #wanted: TransitOptions["keys"];
  readonly #keys = new Map<string, TransitKey>();
  #failedAt: number | undefined;

  /** @throws VaultError invalid */
  constructor(options: TransitOptions, deps: Deps) {
    this.#deps = deps;
    this.#mount = checkedMount(options.mount ?? "transit");
    this.#wanted = options.keys;
  }

  /** A key as it was last read. Public keys stay known while this process runs, whatever Vault archives. */
  key(name: string): TransitKey {
    const key = this.#keys.get(name);
    if (key === undefined) throw new Error("Transit was not read");
    return key;
  }

  /** Reads every key again; what is wrong with them in one fault, and the last good ones stay. */
  async read(): Promise<VaultError | undefined> {
    const faults = await Promise.all(this.#wanted.map((wanted) => this.#readOne(wanted)));
    const found = faults.filter((fault) => fault !== undefined);
    const first = found.find((fault) => fault.transient) ?? found[0];
    if (first === undefined || first.transient || found.length === 1) return first;
    const messages = new Set(found.map(({ message }) => message));
    return new VaultError(first.reason, [...messages].join("; "));
  }

  /**
   * Ed25519 signatures of 64 bytes, in order.
   * @throws VaultError
   */
  async sign(name: string, version: number, inputs: readonly Uint8Array[]): Promise<Buffer[]> {
    const results = await this.#batch(`sign/${name}`, version, inputs);
    return results.map((result) => bytesOf(result["signature"], version, 64));
  }

  /**
   * HMAC-SHA-256 of 32 bytes.
   * @throws VaultError
   */
  async hmac(name: string, version: number, input: Uint8Array): Promise<Buffer> {
    const [result] = await this.#batch(`hmac/${name}/sha2-256`, version, [input]);
    return bytesOf(result?.["hmac"], version, 32);
  }

  async #readOne({ name, use }: TransitOptions["keys"][number]): Promise<VaultError | undefined> {
    const { session, closing } = this.#deps;
    try {
      const read = await session.use((client) => readTransitKey(client, this.#mount, name, use, closing));
      const before = this.#keys.get(name)?.publicKeys ?? [];
      this.#keys.set(name, { ...read, publicKeys: new Map([...before, ...read.publicKeys]) });
      return undefined;
    } catch (error) {
      return asVaultError(error);
    }
  }

  async #batch(
    path: string,
    version: number,
    inputs: readonly Uint8Array[],
  ): Promise<Record<string, unknown>[]> {
    const { clock, closing, onFault } = this.#deps;
    try {
      const results = await this.#results(path, version, inputs);
      if (this.#failedAt !== undefined && clock.now() - this.#failedAt >= recoveredMs) {
        this.#failedAt = undefined;
        onFault(undefined);
      }
      return results;
    } catch (error) {
      closing.throwIfAborted();
      const fault = asVaultError(error);
      this.#failedAt = clock.now();
      onFault(fault);
      throw fault;
    }
  }

  /** All in one call; that one of them failed fails all. */
  async #results(
    path: string,
    version: number,
    inputs: readonly Uint8Array[],
  ): Promise<Record<string, unknown>[]> {
    const { session, transport, closing } = this.#deps;
    const body = {
      key_version: version,
      batch_input: inputs.map((input) => ({ input: Buffer.from(input).toString("base64") })),
    };
    const where = `${this.#mount}/${path}`;
    const call = () => session.use((client) => client.over(transport).write(where, body, closing));
    // The server may have closed a kept connection just now. The same input gives the same answer: it is asked again.
    const answer = await call().catch((error: unknown) => {
      const unanswered = error instanceof VaultError && error.reason === "unreachable";
      if (unanswered && error.status === undefined) return call();
      throw error;
    });
    const data = isRecord(answer) && isRecord(answer["data"]) ? answer["data"] : {};
    const results = data["batch_results"];
    if (!Array.isArray(results) || results.length !== inputs.length || !results.every(isRecord)) {
      throw new VaultError("invalid", `Vault's answer to ${where} has other results than were asked for`);
    }
    return results;
  }
}

/** @param text `vault:v<version>:<base64>` @throws VaultError invalid */
function bytesOf(text: unknown, version: number, length: number): Buffer {
  const prefix = `vault:v${version}:`;
  if (typeof text === "string" && text.startsWith(prefix)) {
    const bytes = Buffer.from(text.slice(prefix.length), "base64");
    if (bytes.length === length) return bytes;
  }
  throw new VaultError("invalid", `Transit refused key version ${version}: see min_encryption_version`);
}
