import { expect, test } from "vitest";
import { HandshakeTelemetry } from "../../src/telemetry/handshake-telemetry.ts";
import { sampleOf, startedTelemetry } from "./started-telemetry.ts";

const name = "signature_tls_handshake_failures_total";

test("failed handshakes are all counted, and told once a minute for each kind with how many they were", async () => {
  await using started = await startedTelemetry();
  const { instruments, logger, lines } = started;
  let now = 5;
  const handshakes = new HandshakeTelemetry({ logger, instruments, now: () => now });
  const expired = { fault: "certificate_expired", code: "CERT_HAS_EXPIRED", address: "10.0.0.7" };
  for (let failed = 0; failed < 1000; failed++) handshakes.failed(expired);
  handshakes.failed({ fault: "not_tls", code: "ERR_SSL_HTTP_REQUEST", address: undefined });
  now += 60_000;
  handshakes.failed(expired);
  const told = lines.map(({ message, level, reason, error_code, peer, count }) => ({
    ...{ message, level, reason, error_code, peer, count },
  }));
  const line = { message: "tls handshake failed", level: "warn" };
  const ofExpired = { reason: "certificate_expired", error_code: "CERT_HAS_EXPIRED", peer: "10.0.0.7" };
  expect(told).toEqual([
    { ...line, ...ofExpired, count: 1 },
    { ...line, reason: "not_tls", error_code: "ERR_SSL_HTTP_REQUEST", peer: undefined, count: 1 },
    { ...line, ...ofExpired, count: 1000 },
  ]);
  const series = await started.series();
  expect(sampleOf(series, name, { fault: "certificate_expired" })).toBe(1001);
  expect(sampleOf(series, name, { fault: "not_tls" })).toBe(1);
  expect(sampleOf(series, name, { fault: "no_certificate" })).toBe(0);
});

test("a port that is only tried fills no log, and an unknown kind is other", async () => {
  await using started = await startedTelemetry();
  const handshakes = new HandshakeTelemetry({ ...started, now: () => 0 });
  handshakes.failed({ fault: "cut_off", code: "ECONNRESET", address: "10.0.0.9" });
  handshakes.failed({ fault: "of tomorrow", code: "X", address: "10.0.0.9" });
  expect(started.lines.map(({ level, reason }) => `${level} ${reason}`)).toEqual([
    "debug cut_off",
    "warn other",
  ]);
});
