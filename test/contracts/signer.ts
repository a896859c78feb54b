import { describe, expect, test } from "vitest";
import { isSignedBy } from "../../src/domain/ed25519.ts";
import { publicKeysOf } from "../../src/domain/receipt.ts";
import type { Signer } from "../../src/domain/signer.ts";
import { failureOf } from "../support/domain.ts";

/** A signer with what stands behind it. */
export interface SignerUnderTest extends AsyncDisposable {
  readonly signer: Signer;
  /** Gives it a newer key, which this process has not read yet. Returns its id. */
  rotate(): string;
  /** Reads its keys again, as the service does from time to time. */
  read(): Promise<unknown>;
}

const statements = ["one", "two", "three"].map((text) => Buffer.from(text));

/** What every adapter of the port owes its callers, wherever the key is. */
export function signerContract(name: string, make: () => Promise<SignerUnderTest>): void {
  describe(`${name} keeps the contract of Signer`, () => {
    test("signs each statement, in order, so that its public key verifies it", async () => {
      await using under = await make();
      const { signer } = under;
      const keyId = signer.currentKeyId();
      const signatures = await signer.sign(keyId, statements);
      const publicKey = publicKeysOf(signer.verifying()).get(keyId)!;
      expect(signatures.map(({ length }) => length)).toEqual([64, 64, 64]);
      expect(signatures.map((one, index) => isSignedBy(publicKey, statements[index]!, one))).toEqual([
        ...[true, true, true],
      ]);
      expect(isSignedBy(publicKey, statements[1]!, signatures[0]!)).toBe(false);
      expect(signer.keyIds()).toContain(keyId);
    });

    test("gives the same bytes for the same key and statement, alone or among others", async () => {
      await using under = await make();
      const { signer } = under;
      const keyId = signer.currentKeyId();
      const [, second] = await signer.sign(keyId, statements);
      expect(await signer.sign(keyId, [statements[1]!])).toEqual([second]);
      expect(await signer.sign(keyId, [])).toEqual([]);
    });

    test("signs with a newer key once it was read, and goes on signing with the older one", async () => {
      await using under = await make();
      const { signer } = under;
      const before = signer.currentKeyId();
      const old = await signer.sign(before, statements);
      const after = under.rotate();
      expect(signer.currentKeyId()).toBe(before);
      await under.read();
      expect(signer.currentKeyId()).toBe(after);
      expect(await signer.sign(before, statements)).toEqual(old);
      expect(await signer.sign(after, statements)).not.toEqual(old);
      expect([...publicKeysOf(signer.verifying()).keys()]).toEqual(expect.arrayContaining([before, after]));
    });

    test("reads its keys again for one that another replica knows already", async () => {
      await using under = await make();
      expect(await under.signer.sign(under.rotate(), statements)).toHaveLength(3);
    });

    test("refuses a key that it does not know", async () => {
      await using under = await make();
      for (const keyId of ["", "r99", "transit:receipts:v99", "transit:other:v1", "transit:receipts:v0"]) {
        expect(await failureOf(under.signer.sign(keyId, statements))).toMatchObject({
          reason: "SERVICE_UNAVAILABLE",
        });
      }
    });
  });
}
