import { describe, expect, it } from "vitest";
import { rollOver } from "../operations/rolling-deploy.ts";
import { createDatabase } from "../support/database.ts";

describe("A rolling deploy of two replicas under load", () => {
  it("loses no call and no signature of callers that try again after UNAVAILABLE", async () => {
    await using database = await createDatabase();
    const { counts, tries, violations } = await rollOver({
      databaseUrl: database.url,
      rounds: 1,
      callers: 8,
      callsBetween: 20,
    });
    console.log(counts, tries);
    expect(violations).toEqual([]);
    expect(counts["replicas replaced"]).toBe(2);
    expect(Object.keys(tries)).toContain("OK");
  }, 40_000);
});
