import { randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createDatabase } from "../support/database.ts";
import { runChaos } from "./chaos.ts";

describe("Two replicas under load that are killed at random moments", () => {
  it("send one message for each challenge, or say why none, and leave nothing behind", async () => {
    await using database = await createDatabase();
    const { counts, violations } = await runChaos({
      databaseUrl: database.url,
      seed: randomInt(2 ** 31),
      kills: 3,
      callers: 16,
      faults: { lookUps: false, slipping: false },
      settleWithinMs: 6_000,
    });
    console.log(counts);
    expect(violations).toEqual([]);
    expect(counts["replicas killed"]).toBeGreaterThanOrEqual(3);
    expect(counts["leases left behind"]).toBe(0);
    expect(counts["challenges with exactly one message"]).toBeGreaterThan(20);
  }, 60_000);
});
