import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { CodeDerivation } from "../../src/domain/code-derivation.ts";
import { isCode } from "../../src/domain/one-time-code.ts";
import { failureOf } from "../support/domain.ts";

/** Codes with what stands behind them. */
export interface CodesUnderTest extends AsyncDisposable {
  readonly codes: CodeDerivation;
  /** Gives it a newer pepper, which this process has not read yet. Returns its id. */
  rotate(): string;
  /** Reads its peppers again, as the service does from time to time. */
  read(): Promise<unknown>;
}

const aBinding = () => ({
  signatureId: randomUUID(),
  nonce: randomBytes(32),
  transactionDigest: randomBytes(32),
});

/** What every adapter of the port owes its callers, wherever the pepper is. */
export function codeDerivationContract(name: string, make: () => Promise<CodesUnderTest>): void {
  describe(`${name} keeps the contract of CodeDerivation`, () => {
    test("derives six digits, the same for the same binding, others for another one", async () => {
      await using under = await make();
      const { codes } = under;
      const keyId = codes.currentKeyId();
      const bindings = Array.from({ length: 20 }, aBinding);
      const derive = () => Promise.all(bindings.map((binding) => codes.code(keyId, binding)));
      const first = await derive();
      expect(first.every(isCode)).toBe(true);
      expect(await derive()).toEqual(first);
      expect(new Set(first).size).toBeGreaterThan(15);
      const [one = aBinding()] = bindings;
      for (const change of [
        { signatureId: randomUUID() },
        { nonce: randomBytes(32) },
        { transactionDigest: randomBytes(32) },
      ]) {
        const changed = bindings.map((binding) => codes.code(keyId, { ...binding, ...change }));
        expect(await Promise.all(changed)).not.toEqual(first);
      }
      expect(await codes.code(keyId, { ...one })).toBe(first[0]);
    });

    test("takes a newer pepper once it was read, and still derives by the older one", async () => {
      await using under = await make();
      const { codes } = under;
      const [before, bindings] = [codes.currentKeyId(), Array.from({ length: 5 }, aBinding)];
      const derive = (keyId: string) => Promise.all(bindings.map((binding) => codes.code(keyId, binding)));
      const old = await derive(before);
      const after = under.rotate();
      expect(codes.currentKeyId()).toBe(before);
      await under.read();
      expect(codes.currentKeyId()).toBe(after);
      expect(await derive(before)).toEqual(old);
      expect(await derive(after)).not.toEqual(old);
    });

    test("reads its peppers again for one that another replica knows already", async () => {
      await using under = await make();
      expect(isCode(await under.codes.code(under.rotate(), aBinding()))).toBe(true);
    });

    test("refuses a pepper that it does not know", async () => {
      await using under = await make();
      for (const keyId of ["", "p99", "transit:codes:v99", "transit:other:v1", "transit:codes:v0"]) {
        expect(await failureOf(under.codes.code(keyId, aBinding()))).toMatchObject({
          reason: "SERVICE_UNAVAILABLE",
        });
      }
    });
  });
}
