import type { TransitConfig } from "../config/vault.ts";
import type { Clock } from "../domain/clock.ts";
import { type CodeDerivation, RingCodes } from "../domain/code-derivation.ts";
import type { KeySource, RingName } from "../domain/keys.ts";
import { RingSigner, type Signer } from "../domain/signer.ts";
import type { Transit } from "../vault/transit.ts";
import type { VaultSecretsOptions } from "../vault/vault-secrets.ts";
import { TransitCalls } from "./transit-calls.ts";
import { TransitCodes } from "./transit-codes.ts";
import { TransitSigner } from "./transit-signer.ts";

const archivedCure =
  "Vault archived these versions (min_decryption_version), and nobody can check what they signed: add their public keys to receipt.retired";

export function transitOptions(config: TransitConfig | undefined): VaultSecretsOptions["transit"] {
  if (config === undefined) return undefined;
  const { mount, timeoutMs, receiptKey, codeKey } = config;
  const keys = [
    ...(receiptKey === undefined ? [] : [{ name: receiptKey, use: "sign" as const }]),
    ...(codeKey === undefined ? [] : [{ name: codeKey, use: "hmac" as const }]),
  ];
  return { mount, timeoutMs, keys };
}

/** Rings that need no keys, since Transit has theirs. */
export function ringsInTransit(config: TransitConfig | undefined): RingName[] {
  const { receiptKey, codeKey } = config ?? {};
  return [
    ...(receiptKey === undefined ? [] : ["receipt" as const]),
    ...(codeKey === undefined ? [] : ["codePepper" as const]),
  ];
}

/** What signs and derives codes, as configured: keys in Transit, or the rings. */
export function keyUses(
  transit: Transit | undefined,
  config: TransitConfig | undefined,
  deps: { readonly clock: Clock; readonly keys: KeySource; onNotice(detail: string): void },
): { readonly signer: Signer; readonly codes: CodeDerivation } {
  const { clock, keys } = deps;
  const ring = { signer: new RingSigner(keys), codes: new RingCodes(keys) };
  if (transit === undefined || config === undefined) return ring;
  const { receiptKey, codeKey } = config;
  const calls = new TransitCalls(clock, config.timeoutMs);
  const codes =
    codeKey === undefined ? ring.codes : new TransitCodes({ transit, name: codeKey, calls, keys });
  if (receiptKey === undefined) return { ...ring, codes };
  const signer = new TransitSigner({ transit, name: receiptKey, calls, keys });
  const unverifiable = signer.unverifiable();
  if (unverifiable.length > 0) deps.onNotice(`${archivedCure}: ${unverifiable.join(", ")}`);
  return { signer, codes };
}
