import { describe, expect, it } from "vitest";
import { backoffMs, jittered } from "../../src/vault/waiting.ts";

const least = { fraction: () => 0 };
const most = { fraction: () => 1 };

describe("the pauses between calls to Vault", () => {
  it("spread over a fifth, so that replicas do not ask together", () => {
    expect([jittered(60_000, least), jittered(60_000, most)]).toEqual([54_000, 66_000]);
  });

  it("double up to a bound, between half and the whole by chance", () => {
    const pauses = [0, 1, 2, 3, 1000].map((attempt) => backoffMs(attempt, 1_000, 6_000, most));
    expect(pauses).toEqual([1_000, 2_000, 4_000, 6_000, 6_000]);
    expect(backoffMs(2, 1_000, 6_000, least)).toBe(2_000);
  });
});
