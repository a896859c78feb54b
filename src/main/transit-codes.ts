import { type CodeDerivation, RingCodes } from "../domain/code-derivation.ts";
import type { KeySource } from "../domain/keys.ts";
import { type CodeBinding, codeInput, codeOf } from "../domain/one-time-code.ts";
import type { Transit } from "../vault/transit.ts";
import { type TransitCalls, transitKeyId, unavailable, versionOf } from "./transit-calls.ts";

interface Deps {
  readonly transit: Pick<Transit, "key" | "hmac">;
  /** Of the HMAC key. */
  readonly name: string;
  readonly calls: TransitCalls;
  readonly keys: KeySource;
}

/**
 * Derives codes by a pepper in Vault's Transit engine, each version of which is a pepper of its own; what was started
 * with a pepper of the ring is still completed with that.
 */
export class TransitCodes implements CodeDerivation {
  readonly #deps: Deps;
  readonly #ring: RingCodes;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#ring = new RingCodes(deps.keys);
  }

  currentKeyId(): string {
    const { name, transit } = this.#deps;
    return transitKeyId(name, transit.key(name).latest);
  }

  async code(keyId: string, binding: CodeBinding): Promise<string> {
    const { transit, name, calls, keys } = this.#deps;
    const version = versionOf(keyId, name);
    if (version === undefined) return await this.#ring.code(keyId, binding);
    const mac = await calls.run(async () => {
      // A version that another replica knows already.
      if (version > transit.key(name).latest) await keys.refresh();
      if (version > transit.key(name).latest) throw unavailable();
      return await transit.hmac(name, version, codeInput(binding));
    });
    return codeOf(mac);
  }
}
