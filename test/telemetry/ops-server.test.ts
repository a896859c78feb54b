import { get } from "node:http";
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/main/clock.ts";
import { listenHttp } from "../../src/main/http-listener.ts";
import { type OpsOptions, opsHandler } from "../../src/telemetry/ops-server.ts";
import { Readiness } from "../../src/telemetry/readiness.ts";
import { capturedLog } from "./captured-log.ts";
import { personal, phone } from "./foreign-errors.ts";
import { startedTelemetry } from "./started-telemetry.ts";

async function opsServer(options: Partial<OpsOptions> = {}) {
  const log = await capturedLog();
  const readiness = new Readiness({ checks: ["database"] as const, now: () => new Date(0) });
  const handler = opsHandler({
    metrics: () => Promise.resolve("a_metric 1\n"),
    health: readiness,
    jwks: () => ({ keys: [{ kid: "r1" }] }),
    logger: log.logger,
    ...options,
  });
  const { url, close } = await listenHttp({ host: "127.0.0.1", port: 0 }, handler, () => undefined);
  const ask = (path: string, init?: RequestInit) => fetch(`${url}${path}`, init);
  return { ...log, readiness, url, get: ask, [Symbol.asyncDispose]: () => close(0, systemClock) };
}

describe("the operations endpoint", () => {
  test("serves the metrics in Prometheus' text format", async () => {
    await using started = await startedTelemetry();
    await using ops = await opsServer({ metrics: () => started.telemetry.prometheusText() });
    const response = await ops.get("/metrics");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await response.text()).toContain('provider_twilio_calls_total{status="success"} 0');
  });

  test("is alive as long as it answers", async () => {
    await using ops = await opsServer();
    expect((await ops.get("/livez")).status).toBe(200);
  });

  test("takes targets in absolute form, as proxies send them", async () => {
    await using ops = await opsServer();
    const statusOf = async (target: string) => {
      const { promise, resolve } = Promise.withResolvers<number | undefined>();
      const { hostname, port } = new URL(ops.url);
      get({ hostname, port, path: target }, (response) => resolve(response.resume().statusCode));
      return await promise;
    };
    for (const target of ["http://ops.bank/livez", "HTTPS://ops.bank:9464/livez?x=1"]) {
      expect(await statusOf(target)).toBe(200);
    }
    expect(await statusOf("http://ops.bank")).toBe(404);
    expect(await statusOf("http://ops.bank/http://ops.bank/livez")).toBe(404);
  });

  test("is ready when no check fails, and says what does and since when", async () => {
    await using ops = await opsServer();
    const before = await ops.get("/readyz");
    expect(before.status).toBe(503);
    expect(await before.json()).toEqual({
      ready: false,
      checks: { database: { state: "failed", since: "1970-01-01T00:00:00.000Z", detail: "starting" } },
    });
    ops.readiness.set("database", "degraded", "behind");
    const after = await ops.get("/readyz");
    expect(after.status).toBe(200);
    expect(await after.json()).toMatchObject({
      ready: true,
      checks: { database: { state: "degraded", detail: "behind" } },
    });
    expect(after.headers.get("cache-control")).toBe("no-store");
  });

  test("serves the public keys, or none while there are none", async () => {
    await using ops = await opsServer();
    const response = await ops.get("/.well-known/jwks.json");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toEqual({ keys: [{ kid: "r1" }] });
    await using empty = await opsServer({ jwks: () => undefined });
    expect((await empty.get("/.well-known/jwks.json")).status).toBe(404);
  });

  test("knows nothing else, takes nothing, and answers HEAD without a body", async () => {
    await using ops = await opsServer();
    expect((await ops.get("/")).status).toBe(404);
    expect((await ops.get("/metrics?a=1")).status).toBe(200);
    expect((await ops.get("/metrics", { method: "POST" })).status).toBe(405);
    const head = await ops.get("/livez", { method: "HEAD" });
    expect([head.status, head.headers.get("content-length"), await head.text()]).toEqual([200, "3", ""]);
  });

  test("answers a fault with 500 and keeps its text to itself", async () => {
    await using ops = await opsServer({ metrics: () => Promise.reject(new Error(`failed for ${phone}`)) });
    const response = await ops.get("/metrics");
    expect(response.status).toBe(500);
    const all = `${await response.text()}${ops.text()}`;
    for (const part of personal) expect(all).not.toContain(part);
    expect(ops.lines).toMatchObject([{ level: "error", message: "operations endpoint failed" }]);
  });
});
