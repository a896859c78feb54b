import { expect, test } from "vitest";
import { QuotaTelemetry } from "../../src/telemetry/quota-telemetry.ts";
import { sampleOf, startedTelemetry } from "./started-telemetry.ts";

test("what quotas refuse is all counted, and told once a minute for each caller with how many they were", async () => {
  await using started = await startedTelemetry();
  const { instruments, logger, lines } = started;
  let now = 5;
  const quotas = new QuotaTelemetry({ logger, instruments, now: () => now });
  const streams = { kind: "streams", scope: "caller", caller: "payments", address: "10.0.0.7" } as const;
  const probes = { kind: "connections", scope: "unknown", caller: undefined, address: "10.0.0.9" } as const;
  for (let refused = 0; refused < 1000; refused++) quotas.refused(streams);
  quotas.refused({ ...streams, caller: "cards" });
  quotas.refused(probes);
  now += 60_000;
  quotas.refused(streams);
  const told = lines.map(({ message, level, kind, scope, caller, peer, count }) => ({
    ...{ message, level, kind, scope, caller, peer, count },
  }));
  const line = { message: "refused beyond a quota", level: "warn" };
  const ofCaller = { ...line, kind: "streams", scope: "caller", peer: "10.0.0.7" };
  expect(told).toEqual([
    { ...ofCaller, caller: "payments", count: 1 },
    { ...ofCaller, caller: "cards", count: 1 },
    { ...line, kind: "connections", scope: "unknown", caller: undefined, peer: "10.0.0.9", count: 1 },
    { ...ofCaller, caller: "payments", count: 1000 },
  ]);
  const series = await started.series();
  const name = "signature_grpc_quota_refusals_total";
  expect(sampleOf(series, name, { kind: "streams", scope: "caller" })).toBe(1002);
  expect(sampleOf(series, name, { kind: "connections", scope: "unknown" })).toBe(1);
});
