import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type ChallengeMessage,
  LeaseLost,
  ProviderError,
  type SignatureProvider,
} from "../../src/domain/provider.ts";

/** A provider with what stands behind it: how it is made to fail, and what it has taken. */
export interface ProviderUnderTest {
  readonly provider: SignatureProvider;
  /** Messages that a customer would get, oldest first. */
  accepted(): readonly { to: string; text: string; providerChallengeId: string }[];
  /** The next call is refused for its destination. */
  refuseNext(): void;
  /** The next call is certainly not taken, and worth another. */
  turnAwayNext(): void;
  /** The next message is taken, and the answer lost. */
  loseNextAnswer(): void;
  /** The next call is never answered; resolves when it has come in. */
  hangNext(): Promise<unknown>;
  /** Moves the provider's clock on. */
  advance(ms: number): void;
  close(): Promise<void>;
}

const always = { mayBegin: () => true };
const never = { mayBegin: () => false };

let count = 0;

function messageTo(to: string, text = "123456 confirma 10 EUR a ACME"): ChallengeMessage {
  count += 1;
  const id = count.toString(16).padStart(12, "0");
  return {
    signatureId: `0190b0c0-0000-7000-8000-${id}`,
    challengeId: `0190b0c0-0000-7000-9000-${id}`,
    attempt: 1,
    to,
    text,
    validitySeconds: 120,
  };
}

function inTime(ms = 5_000): AbortSignal {
  return AbortSignal.timeout(ms);
}

async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** What every adapter of the port owes its callers, whatever the provider. */
export function signatureProviderContract(name: string, make: () => Promise<ProviderUnderTest>): void {
  describe(`${name} keeps the contract of SignatureProvider`, () => {
    const to = "+34600111001";
    let under: ProviderUnderTest;
    let provider: SignatureProvider;

    beforeEach(async () => {
      under = await make();
      provider = under.provider;
    });
    afterEach(async () => under.close());

    test("an accepted message is taken once and named by the result", async () => {
      const message = messageTo(to);
      const result = await provider.sendChallenge(message, always, inTime());
      expect(under.accepted()).toMatchObject([
        { to, text: message.text, providerChallengeId: result.providerChallengeId },
      ]);
      expect(result.providerProof).toContain(result.providerChallengeId);
      expect(result.sentAt).toBeInstanceOf(Date);
      expect(provider.isAvailable()).toBe(true);
    });

    test("a call without a permit is not made", async () => {
      const error = await errorOf(provider.sendChallenge(messageTo(to), never, inTime()));
      expect(error).toBeInstanceOf(LeaseLost);
      expect(under.accepted()).toEqual([]);
    });

    test("a call whose signal has fired before it is certainly not taken", async () => {
      const error = await errorOf(provider.sendChallenge(messageTo(to), always, AbortSignal.abort()));
      expect(error).toBeInstanceOf(ProviderError);
      expect(error).toMatchObject({ outcome: "not_accepted", retryable: true });
      expect(under.accepted()).toEqual([]);
    });

    test("a refusal for the destination is rejected and never worth another call", async () => {
      under.refuseNext();
      const error = await errorOf(provider.sendChallenge(messageTo(to), always, inTime()));
      expect(error).toBeInstanceOf(ProviderError);
      expect(error).toMatchObject({ provider: provider.name, outcome: "rejected", retryable: false });
      expect(under.accepted()).toEqual([]);
    });

    test("a call that was turned away is made once, and worth another", async () => {
      under.turnAwayNext();
      const message = messageTo(to);
      const error = await errorOf(provider.sendChallenge(message, always, inTime()));
      expect(error).toMatchObject({ outcome: "not_accepted", retryable: true });
      expect(under.accepted()).toEqual([]);
      await provider.sendChallenge(message, always, inTime());
      expect(under.accepted()).toHaveLength(1);
    });

    test("a call stops when its signal fires, and its outcome is then unknown", async () => {
      const stop = new AbortController();
      const arrived = under.hangNext();
      const error = errorOf(provider.sendChallenge(messageTo(to), always, stop.signal));
      await arrived;
      stop.abort();
      expect(await error).toBeInstanceOf(ProviderError);
      expect(await error).toMatchObject({ outcome: "unknown" });
    });

    test("a message whose answer was lost is unknown, and found by the look-up", async () => {
      under.loseNextAnswer();
      const message = messageTo(to);
      const error = await errorOf(provider.sendChallenge(message, always, inTime()));
      expect(error).toMatchObject({ outcome: "unknown" });
      const found = await provider.findChallenges({ to, text: message.text, firstCallAgeMs: 0 }, inTime());
      expect(found.map(({ providerChallengeId }) => providerChallengeId)).toEqual(
        under.accepted().map(({ providerChallengeId }) => providerChallengeId),
      );
      expect(found).toHaveLength(1);
    });

    test("a look-up shows messages of the same number and text only, oldest first", async () => {
      const message = messageTo(to);
      const first = await provider.sendChallenge(message, always, inTime());
      await provider.sendChallenge(messageTo("+34600111002"), always, inTime());
      await provider.sendChallenge(messageTo(to, "999999 confirma 20 EUR a ACME"), always, inTime());
      under.advance(2_000);
      const second = await provider.sendChallenge(message, always, inTime());
      const found = await provider.findChallenges(
        { to, text: message.text, firstCallAgeMs: 2_000 },
        inTime(),
      );
      expect(found.map(({ providerChallengeId }) => providerChallengeId)).toEqual([
        first.providerChallengeId,
        second.providerChallengeId,
      ]);
    });

    test("a look-up shows nothing that is more than 5 s older than the first call", async () => {
      const message = messageTo(to);
      await provider.sendChallenge(message, always, inTime());
      under.advance(10_000);
      const query = { to, text: message.text };
      expect(await provider.findChallenges({ ...query, firstCallAgeMs: 3_000 }, inTime())).toEqual([]);
      expect(await provider.findChallenges({ ...query, firstCallAgeMs: 7_000 }, inTime())).toHaveLength(1);
    });

    test("a look-up that is cut off is an error, not an absence", async () => {
      const query = { to, text: "x", firstCallAgeMs: 0 };
      const error = await errorOf(provider.findChallenges(query, AbortSignal.abort()));
      expect(error).toBeInstanceOf(ProviderError);
    });
  });
}
