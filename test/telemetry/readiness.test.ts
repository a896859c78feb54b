import { describe, expect, test } from "vitest";
import { Readiness, type ReadinessReport } from "../../src/telemetry/readiness.ts";

function readiness() {
  let seconds = 0;
  const checks = ["database", "breaker"] as const;
  return new Readiness({ checks, now: () => new Date(1000 * seconds++) });
}

describe("readiness", () => {
  test("is not given before every check has been set", () => {
    const ready = readiness();
    ready.set("database", "ok");
    expect(ready.ready).toBe(false);
    ready.set("breaker", "ok");
    expect(ready.ready).toBe(true);
  });

  test("is kept while a check is degraded, and lost when one fails", () => {
    const ready = readiness();
    ready.set("database", "ok");
    ready.set("breaker", "degraded", "open");
    expect(ready.ready).toBe(true);
    ready.set("database", "failed", "unreachable");
    expect(ready.report()).toMatchObject({
      ready: false,
      checks: [
        { name: "database", state: "failed", detail: "unreachable" },
        { name: "breaker", state: "degraded", detail: "open" },
      ],
    });
  });

  test("says since when a check is in its state, which another detail does not change", () => {
    const ready = readiness();
    ready.set("breaker", "degraded", "open");
    const since = ready.report().checks[1]?.since;
    ready.set("breaker", "degraded", "open");
    ready.set("breaker", "degraded", "half_open");
    expect(ready.report().checks[1]).toMatchObject({ since, detail: "half_open" });
    ready.set("breaker", "ok");
    expect(ready.report().checks[1]?.since).not.toEqual(since);
  });

  test("tells listeners at once and of each change, until they leave", () => {
    const ready = readiness();
    const told: boolean[] = [];
    const leave = ready.subscribe((report: ReadinessReport) => told.push(report.ready));
    ready.set("database", "ok");
    ready.set("database", "ok");
    ready.set("breaker", "ok");
    leave();
    ready.set("breaker", "failed");
    expect(told).toEqual([false, false, true]);
  });
});
