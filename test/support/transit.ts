import { randomBytes } from "node:crypto";
import type { KeySource, Keys } from "../../src/domain/keys.ts";
import { TransitCalls } from "../../src/main/transit-calls.ts";
import { TransitCodes } from "../../src/main/transit-codes.ts";
import { TransitSigner } from "../../src/main/transit-signer.ts";
import type { VaultDouble, VaultDoubleOptions } from "../../src/sandbox/vault-double.ts";
import { type OpenedVault, type PatientClock, VaultUnderTest } from "../vault/vault-under-test.ts";

export const transitTimeoutMs = 1000;

export function ringsWith(receipt: Keys["receipt"]): Keys {
  const none = { primary: "", keys: new Map() };
  return { codePepper: none, phoneSeal: none, pseudonym: none, evidence: none, receipt };
}

/** Vault with the Transit keys `receipts` and `codes`, and those who use them, by a clock that stands still until it is moved. */
export class TransitUnderTest implements AsyncDisposable {
  readonly vault: VaultUnderTest;
  readonly opened: OpenedVault;
  readonly signer: TransitSigner;
  readonly codes: TransitCodes;
  /** May be changed. */
  rings = ringsWith({ primary: "r1", keys: new Map([["r1", randomBytes(32)]]) });

  static async start(options: VaultDoubleOptions = {}): Promise<TransitUnderTest> {
    const vault = await VaultUnderTest.start(options);
    vault.double.transit.create("receipts", "ed25519");
    vault.double.transit.create("codes", "hmac");
    return new TransitUnderTest(vault, await TransitUnderTest.opened(vault));
  }

  static opened(vault: VaultUnderTest): Promise<OpenedVault> {
    const keys = [
      { name: "receipts", use: "sign" as const },
      { name: "codes", use: "hmac" as const },
    ];
    return vault.open({ transit: { keys, timeoutMs: transitTimeoutMs }, refreshEveryMs: 0 });
  }

  constructor(vault: VaultUnderTest, opened: OpenedVault) {
    this.vault = vault;
    this.opened = opened;
    const calls = new TransitCalls(vault.clock, transitTimeoutMs);
    const keys: KeySource = {
      current: () => this.rings,
      refresh: async () => {
        await opened.secrets.refresh();
        return this.rings;
      },
    };
    const transit = opened.secrets.transit!;
    this.signer = new TransitSigner({ transit, name: "receipts", calls, keys });
    this.codes = new TransitCodes({ transit, name: "codes", calls, keys });
  }

  get double(): VaultDouble {
    return this.vault.double;
  }

  get clock(): PatientClock {
    return this.vault.clock;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.vault[Symbol.asyncDispose]();
  }
}
