import type { KeyValidity } from "../domain/key-validity.ts";
import type { KeySource, ReceiptKeyRing } from "../domain/keys.ts";
import { RingSigner, type Signer } from "../domain/signer.ts";
import type { Transit } from "../vault/transit.ts";
import type { TransitPublicKey } from "../vault/transit-key.ts";
import { type TransitCalls, transitKeyId, unavailable, versionOf } from "./transit-calls.ts";

/** Clocks of Vault and of PostgreSQL may differ so much: what a fresh key signs is not signed before its key. */
const skewMs = 10 * 60_000;

interface Deps {
  readonly transit: Pick<Transit, "key" | "sign">;
  /** Of the Ed25519 key. */
  readonly name: string;
  readonly calls: TransitCalls;
  readonly keys: KeySource;
}

/**
 * Signs with a key in Vault's Transit engine, each version of which is a key of its own; what was promised under a
 * seed of the receipt ring is still signed with that.
 */
export class TransitSigner implements Signer {
  readonly #deps: Deps;
  readonly #ring: RingSigner;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#ring = new RingSigner(deps.keys);
  }

  /** @throws Failure SERVICE_UNAVAILABLE where every version that may sign is revoked */
  currentKeyId(): string {
    const [newest] = this.#usable();
    if (newest === undefined) throw unavailable();
    return newest;
  }

  keyIds(): readonly string[] {
    return [...this.#usable(), ...this.#ring.keyIds()];
  }

  async sign(keyId: string, statements: readonly Uint8Array[]): Promise<Buffer[]> {
    const { transit, name, calls, keys } = this.#deps;
    const version = versionOf(keyId, name);
    if (version === undefined) return await this.#ring.sign(keyId, statements);
    if (statements.length === 0) return [];
    return await calls.run(async () => {
      // A version that another replica knows already: Transit's keys are read with the rings.
      if (version > transit.key(name).latest) await keys.refresh();
      if (!this.#usable().includes(keyId)) throw unavailable();
      return await transit.sign(name, version, statements);
    });
  }

  verifying(): ReceiptKeyRing {
    const ring = this.#ring.verifying();
    const { name, transit } = this.#deps;
    const { publicKeys } = transit.key(name);
    const versions = [...publicKeys].map(([version, key]) => [transitKeyId(name, version), key] as const);
    return {
      ...ring,
      retired: new Map([...(ring.retired ?? []), ...versions.map(([id, { bytes }]) => [id, bytes] as const)]),
      validity: new Map([
        ...(ring.validity ?? []),
        ...versions.map(([id, key]) => [id, window(ring.validity?.get(id), key)] as const),
      ]),
    };
  }

  /** Versions that were archived and whose public keys the ring does not have: what they signed cannot be checked. */
  unverifiable(): string[] {
    const { name, transit } = this.#deps;
    const known = this.verifying().retired;
    const ids = Array.from({ length: transit.key(name).oldestShown - 1 }, (_, index) =>
      transitKeyId(name, index + 1),
    );
    return ids.filter((id) => !known?.has(id));
  }

  /** Newest first. */
  #usable(): string[] {
    const { name, transit, keys } = this.#deps;
    const { latest, oldest } = transit.key(name);
    const { validity } = keys.current().receipt;
    const versions = Array.from({ length: latest - oldest + 1 }, (_, index) => latest - index);
    return versions
      .map((version) => transitKeyId(name, version))
      .filter((id) => validity?.get(id)?.revoked === undefined);
  }
}

function window(stated: KeyValidity | undefined, { createdAt }: TransitPublicKey): KeyValidity {
  return { from: new Date(createdAt.getTime() - skewMs), ...stated };
}
