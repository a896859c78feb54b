import type { TransitConfig } from "../config/vault.ts";
import type { Clock } from "../domain/clock.ts";
import type { KeySource } from "../domain/keys.ts";
import type { Transit } from "../vault/transit.ts";
import type { VaultSecretsOptions } from "../vault/vault-secrets.ts";
import { TransitCalls } from "./transit-calls.ts";
import { TransitSigner } from "./transit-signer.ts";

export const archivedCure =
  "Vault archived these versions (min_decryption_version), and nobody can check what they signed: add their public keys to receipt.retired";

export function transitOptions(config: TransitConfig | undefined): VaultSecretsOptions["transit"] {
  if (config?.receiptKey === undefined) return undefined;
  const { mount, timeoutMs } = config;
  return { mount, timeoutMs, keys: [{ name: config.receiptKey, use: "sign" }] };
}

/** Undefined where the receipt ring signs. */
export function transitSigner(
  { transit }: { readonly transit: Transit | undefined },
  config: TransitConfig | undefined,
  { clock, keys }: { readonly clock: Clock; readonly keys: KeySource },
): TransitSigner | undefined {
  if (transit === undefined || config?.receiptKey === undefined) return undefined;
  const calls = new TransitCalls(clock, config.timeoutMs);
  return new TransitSigner({ transit, name: config.receiptKey, calls, keys });
}
